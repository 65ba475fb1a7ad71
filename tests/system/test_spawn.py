"""What a new process finds, and what an operator is told when there can be none."""

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.spec import IdentitySpec
from oxtrio.system.children import Child, Children
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.identity import identity_of
from oxtrio.system.proc import program_of, stat_of
from oxtrio.system.spawn import Launch, _kept, spawn
from oxtrio.system.spawn_errors import explain_spawn_error
from tests.engine import FIXTURES, descriptors, eventually, own_process, reaper

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.environ["PATH"]}
NULL = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
SLEEP = Launch(argv=("/bin/sleep", "60"), cwd="/", env=ENV, stdout=NULL, stderr=NULL)
GATED = replace(SLEEP, nice=0)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that everybody may enter, which pytest's are not."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


def refused(launch: Launch) -> str:
    """Why it cannot be started; no process and no descriptor may stay behind."""
    before = descriptors()
    with pytest.raises(SpawnFailed) as caught:
        spawn(launch, FileLimit())
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    return caught.value.message


def a_script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return str(path)


async def started(children: Children, launch: Launch) -> Child:
    """It runs its own program, and no longer ours or the gate's."""
    child = children.spawn(launch)
    await eventually(lambda: program_of(child.pid) == "sleep")
    return child


async def finish(child: Child) -> None:
    child.signal(signal.SIGKILL)
    await child.gone.wait()
    child.close()


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


# What an operator is told.


def test_a_missing_program_is_named() -> None:
    assert refused(replace(SLEEP, argv=("/no/such/bin",))) == "command '/no/such/bin' not found"


def test_a_missing_program_of_the_path_is_named() -> None:
    assert refused(replace(SLEEP, argv=("no-such-bin",))) == "command 'no-such-bin' not found"


def test_a_file_that_may_not_be_executed_is_told_from_a_missing_one(tmp_path: Path) -> None:
    path = a_script(tmp_path / "tool", "#!/bin/sh\n", mode=0o644)

    message = refused(replace(SLEEP, argv=(path,)))

    assert message == f"'{path}' is not executable: permission denied"


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    message = refused(replace(SLEEP, argv=(str(tmp_path),)))

    assert message == f"'{tmp_path}' is a folder, not a program"


@pytest.mark.parametrize("text", ["", "echo hello\n"], ids=["empty", "no #! line"])
def test_what_is_no_program_says_that_the_first_line_is_missing(tmp_path: Path, text: str) -> None:
    path = a_script(tmp_path / "tool", text)

    message = refused(replace(SLEEP, argv=(path,)))

    assert message == f"'{path}' cannot be executed: no #! line and not a program"


def test_a_missing_interpreter_is_named_and_not_the_script(tmp_path: Path) -> None:
    path = a_script(tmp_path / "tool", "#!/no/such/interp -x\n")

    message = refused(replace(SLEEP, argv=(path,)))

    assert message == f"the interpreter '/no/such/interp' of '{path}' does not exist"


def test_a_missing_interpreter_is_named_for_a_program_of_the_apps_own_path(tmp_path: Path) -> None:
    """A virtual environment that was moved: its scripts name a Python that is gone."""
    path = a_script(tmp_path / "webserver", "#!/old/venv/bin/python\n")
    moved = replace(SLEEP, argv=("webserver",), env={"PATH": f"{tmp_path}:/usr/bin"})

    assert refused(moved) == f"the interpreter '/old/venv/bin/python' of '{path}' does not exist"


def test_a_script_from_windows_is_recognised(tmp_path: Path) -> None:
    path = a_script(tmp_path / "tool", "#!/bin/sh\r\necho hello\r\n")

    message = refused(replace(SLEEP, argv=(path,)))

    assert message == f"'{path}' has Windows line endings: its #! line names '/bin/sh\\r'"


@pytest.mark.parametrize("first", ["#!", "#!   ", "#!\t"])
def test_an_interpreter_line_that_names_nobody_is_explained(tmp_path: Path, first: str) -> None:
    path = a_script(tmp_path / "tool", f"{first}\n")

    error = explain_spawn_error(FileNotFoundError(errno.ENOENT, ""), (path,), "/", ENV)

    assert path in error.message


def test_a_program_for_another_c_library_says_that_its_loader_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    loader = next((each for each in Path("/lib64").glob("ld-*") if each.exists()), None)
    program = Path("/bin/true").read_bytes()
    if loader is None or str(loader).encode() not in program:
        pytest.skip("the loader of this system is elsewhere")
    path.write_bytes(program.replace(str(loader).encode(), b"/no" + str(loader)[3:].encode()))
    path.chmod(0o755)

    message = refused(replace(SLEEP, argv=(str(path),)))

    assert message == f"'{path}' was built for another system: its loader does not exist"


def test_a_missing_folder_is_named_and_not_the_program(tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    assert refused(replace(SLEEP, cwd=str(gone))) == f"working_dir '{gone}' does not exist"


def test_a_file_as_folder_is_named(tmp_path: Path) -> None:
    path = a_script(tmp_path / "file", "")

    assert refused(replace(SLEEP, cwd=path)) == f"working_dir '{path}' is not a folder"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"env": {"A": "a\0b"}}, "embedded null byte"),
        ({"env": {"A=B": "1"}}, "illegal environment variable name"),
        ({"argv": ("/bin/sleep", "1\0")}, "embedded null byte"),
        ({"argv": ("/bin/sleep", "x" * 200_000)}, "arguments and environment are too long"),
    ],
    ids=["NUL in a value", "= in a name", "NUL in an argument", "too long"],
)
def test_what_no_kernel_takes_is_a_sentence(changes: dict[str, object], reason: str) -> None:
    launch = replace(SLEEP, **changes)  # type: ignore[arg-type]

    assert refused(launch) == f"cannot start '/bin/sleep': {reason}"


@pytest.mark.parametrize("kind", ["user", "group"])
def test_an_unknown_user_or_group_is_named_and_nobody_else_is_taken(kind: str) -> None:
    with pytest.raises(SpawnFailed, match=f"{kind} 'nosuch' does not exist"):
        identity_of(IdentitySpec(**{kind: "nosuch"}))  # type: ignore[arg-type]


@as_root
def test_without_root_another_user_is_refused() -> None:
    code = (
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "from oxtrio.system.spawn import *; from oxtrio.system.identity import *\n"
        "from oxtrio.model.spec import IdentitySpec\n"
        "try: spawn(Launch(argv=('/bin/true',), cwd='/', env={}, stdout=1, stderr=2,\n"
        "    identity=identity_of(IdentitySpec(user='root'))), FileLimit())\n"
        "except Exception as error: print(error.message)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import oxtrio.system.containment\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "cannot start '/bin/true': operation not permitted\n", done.stderr


@as_root
def test_a_setting_that_is_refused_ends_what_waits_at_the_gate() -> None:
    message = refused(replace(SLEEP, oom_score_adj=5000))

    assert message.startswith("cannot start '/bin/sleep': ")


# What it finds.

LAUNCHES = pytest.mark.parametrize("launch", [SLEEP, GATED], ids=["direct", "gated"])


@LAUNCHES
async def test_it_leads_a_session_and_a_group_of_its_own(launch: Launch) -> None:
    async with reaper() as children:
        child = await started(children, launch)

        found = stat_of(child.pid)

        assert found is not None
        assert (found.session, found.group, found.parent) == (child.pid, child.pid, os.getpid())
        await finish(child)


@LAUNCHES
async def test_it_has_three_descriptors_whatever_we_have_open(launch: Launch) -> None:
    async with reaper() as children:
        leaked = [os.open(os.devnull, os.O_RDWR) for _ in range(20)]
        os.set_inheritable(leaked[-1], True)
        child = await started(children, launch)

        names = sorted(os.listdir(f"/proc/{child.pid}/fd"))

        assert names == ["0", "1", "2"]
        assert os.readlink(f"/proc/{child.pid}/fd/0") == "/dev/null"
        await finish(child)
        for number in leaked:
            os.close(number)


@LAUNCHES
@pytest.mark.parametrize("blocked", [signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN])
def test_no_signal_is_ignored_or_blocked_whatever_we_were_started_with(
    launch: Launch, blocked: signal.Signals
) -> None:
    argv = ["/bin/cat", "/proc/self/status"]
    if launch is GATED:  # the gate is a shell, which must not change anything either
        argv = ["/bin/sh", "-c", 'read -r _ </dev/null; exec "$@"', "gate", *argv]

    def deaf() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGRTMIN + 3):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {blocked})

    done = subprocess.run(
        [sys.executable, str(FIXTURES / "supervise.py"), *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=deaf,
    )

    found = {line.partition(":")[0]: line.split()[1:] for line in done.stdout.splitlines()}
    # 32 and 33 are the C library's own: no program can change them, and GNU make ignores them.
    masks = (int(found[name][0], 16) & ~(0b11 << 31) for name in ("SigBlk", "SigIgn", "SigPnd"))
    assert set(masks) == {0}


@LAUNCHES
async def test_the_file_limit_that_we_had_is_given_back(launch: Launch) -> None:
    async with reaper() as children:
        ours = resource.getrlimit(resource.RLIMIT_NOFILE)
        children.limit.original = (200, ours[1])
        child = await started(children, launch)

        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (200, ours[1])
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == ours
        await finish(child)


async def test_it_is_given_back_also_when_we_use_more_than_that() -> None:
    async with reaper() as children:
        ours = resource.getrlimit(resource.RLIMIT_NOFILE)
        children.limit.original = (64, ours[1])
        many = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
        child = await started(children, SLEEP)

        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (64, ours[1])
        assert sorted(os.listdir(f"/proc/{child.pid}/fd")) == ["0", "1", "2"]
        await finish(child)
        for number in many:
            os.close(number)


@as_root
async def test_nice_limits_umask_and_oom_score_are_set_before_its_first_instruction() -> None:
    launch = replace(
        SLEEP,
        argv=("/bin/sh", "-c", "umask; nice; ulimit -n; ulimit -c; cat /proc/self/oom_score_adj"),
        umask=0o027,
        nice=7,
        oom_score_adj=321,
        rlimits=(("nofile", 111, 222), ("core", 0, -1)),
    )
    assert (await said(launch)).split() == ["0027", "7", "111", "0", "321"]


@as_root
async def test_another_user_gets_its_limits_also_from_a_root_without_capabilities() -> None:
    """As in a container: CAP_SYS_RESOURCE and CAP_SYS_NICE are not among Docker's own."""
    code = (
        "import os, sys; from oxtrio.system.containment import MARKER\n"
        "from oxtrio.system.spawn import *; from oxtrio.system.identity import *\n"
        "from oxtrio.model.spec import IdentitySpec\n"
        "argv = ('/bin/sh', '-c', 'id -u; nice; ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -Hs')\n"
        "limits = (('nofile', 64, 100), ('core', 0, 0), ('stack', 1 << 20, 1 << 20))\n"
        "who = identity_of(IdentitySpec(user='nobody'))\n"
        "pid = spawn(Launch(argv=argv, cwd='/', env=os.environ, stdout=1, stderr=2, identity=who,\n"
        "    nice=9, rlimits=limits), FileLimit()); os.waitpid(pid, 0)\n"
    )
    bare = ["setpriv", "--bounding-set", "-sys_resource,-sys_nice", sys.executable, "-c", code]

    done = await trio.run_process(bare, cwd=ROOT, capture_stdout=True, check=False)

    assert done.stdout.decode().split() == ["65534", "9", "64", "100", "0", "1024"]


async def said(launch: Launch) -> str:
    """All that it writes."""
    reading, writing = os.pipe()
    async with reaper() as children:
        child = children.spawn(replace(launch, stdout=writing, stderr=writing))
        os.close(writing)
        await child.gone.wait()
        child.close()
    text = os.read(reading, 65536).decode()
    os.close(reading)
    return text


async def test_a_program_that_is_gone_behind_the_gate_ends_with_127() -> None:
    async with reaper() as children:
        child = children.spawn(replace(GATED, argv=("/no/such/bin",)))
        await child.gone.wait()
        child.close()

        assert child.exit is not None
        assert child.exit.code == 127


async def test_the_gate_gives_back_the_descriptor_that_had_its_number(tmp_path: Path) -> None:
    """Inside another program nobody has reserved it, and it may be anything."""
    path = tmp_path / "precious"
    path.write_bytes(b"precious")
    before = _kept(9)
    number = os.open(path, os.O_RDONLY)
    os.dup2(number, 9, inheritable=False)
    try:
        async with reaper("guest") as children:
            child = await started(children, GATED)
            await finish(child)

        assert os.pread(9, 8, 0) == b"precious"
        assert not os.get_inheritable(9)
    finally:
        os.close(number)
        os.close(9)
        if before is not None:
            os.dup2(before, 9, inheritable=False)
            os.close(before)


@as_root
@pytest.mark.parametrize("gated", [False, True], ids=["direct", "gated"])
async def test_another_user_keeps_no_group_and_no_capability_of_root(gated: bool) -> None:
    who = identity_of(IdentitySpec(user="nobody", groups=("daemon", "bin")))
    launch = replace(SLEEP, identity=who, nice=3 if gated else None)
    async with reaper() as children:
        child = await started(children, launch)

        found = status_of(child.pid)

        assert found["Uid"].split() == ["65534"] * 4
        assert found["Gid"].split() == ["65534"] * 4
        assert sorted(found["Groups"].split()) == ["1", "2"]
        assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0
        await finish(child)


@as_root
async def test_a_user_gets_all_groups_of_its_own_and_none_of_ours() -> None:
    who = identity_of(IdentitySpec(user="nobody"))
    async with reaper() as children:
        child = await started(children, replace(SLEEP, identity=who))

        assert who is not None
        expected = sorted(map(str, who.groups))
        assert sorted(status_of(child.pid)["Groups"].split()) == expected
        await finish(child)


@as_root
async def test_a_group_alone_keeps_the_user() -> None:
    who = identity_of(IdentitySpec(group="daemon"))
    async with reaper() as children:
        child = await started(children, replace(SLEEP, identity=who))

        found = status_of(child.pid)
        assert (found["Uid"].split()[0], found["Gid"].split()[0]) == ("0", "1")
        await finish(child)


@as_root
def test_another_user_may_be_denied_what_root_may_do(home: Path) -> None:
    secret = a_script(home / "tool", "#!/bin/sh\n", mode=0o700)
    who = identity_of(IdentitySpec(user="nobody"))

    message = refused(replace(SLEEP, argv=(secret,), identity=who))

    assert message == f"'{secret}' is not executable: permission denied"
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o700


def test_a_link_to_a_program_is_followed_at_the_spawn(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    (tmp_path / "current").symlink_to(sleep)
    with own_process():
        pid = spawn(replace(SLEEP, argv=("./current", "60"), cwd=str(tmp_path)), FileLimit())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
