"""Nothing that a run has started outlives it, whatever it does to get away; in both ways."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from oxtrio.system.delegation import Ground, NoGround, find_ground
from tests.e2e.kit import BIN, FIXTURES, NOBODY, PYTHON, Ox, needs_root
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

GROUND = find_ground()
NO_CGROUPS = getattr(GROUND, "why", "")
VANISH = f"{PYTHON} {FIXTURES}/vanish.py vanished"
WAYS = pytest.mark.parametrize(
    "way",
    [
        pytest.param(
            "on", marks=pytest.mark.skipif(isinstance(GROUND, NoGround), reason=NO_CGROUPS)
        ),
        "off",
    ],
)


@pytest.fixture
def started() -> Iterator[Callable[[Ox], list[int]]]:
    """Reads the pids of all that have vanished; what is left of them at the end is killed."""
    seen: set[int] = set()

    def read(ox: Ox) -> list[int]:
        path = ox.folder / "vanished"
        pids = [int(line) for line in path.read_text().splitlines()] if path.exists() else []
        seen.update(pids)
        return pids

    yield read
    for pid in seen:
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\08640\0":
                os.kill(pid, signal.SIGKILL)


def one_more(ox: Ox, started: Callable[[Ox], list[int]], count: int = 1) -> list[int]:
    """The pids of *count* that have vanished."""

    def pids() -> list[int] | None:
        found = started(ox)
        return found if len(found) >= count and all(map(is_hidden, found[-1:])) else None

    return ox.eventually(pids, f"{count} to vanish")


def is_hidden(pid: int) -> bool:
    """Whether it has become the program that nothing points to; or is over again."""
    with suppress(OSError):
        return b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


def folder_of(ox: Ox) -> Path:
    """The cgroup of the project."""
    assert isinstance(GROUND, Ground)
    return Path(GROUND.folder) / f"oxtrio-{ox.runtime.name}"


def killed(ox: Ox) -> None:
    """The supervisor is killed by force, and its keeper has started another one."""
    old = ox.supervisor()
    old.send_signal(signal.SIGKILL)

    def is_followed() -> bool:
        with suppress(OSError, HTTPException):
            return ox.supervisor() != old
        return False

    ox.eventually(is_followed, "the next supervisor")


@WAYS
def test_what_hides_is_gone_after_a_stop(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.up(f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n')
    [hidden] = one_more(ox, started)
    assert not Path(f"/proc/{hidden}/environ").read_bytes()
    assert os.getsid(hidden) != ox.pid("a")

    ox.done("stop", "a")

    assert not alive(hidden)


@WAYS
def test_what_hides_is_gone_before_the_next_run_begins(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.up(
        f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nrestart_on_exit = true\nstart_secs = 0\n'
    )
    [first] = one_more(ox, started)

    os.kill(ox.pid("a"), signal.SIGKILL)
    _, second = one_more(ox, started, 2)

    assert not alive(first)
    assert alive(second)


@WAYS
def test_what_hides_does_not_survive_the_supervisor(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.write(
        f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n'
        f'[processes.b]\ncommand = "{VANISH}"\nrestart_on_exit = false\n'
    )
    ox.done("start")
    hidden = one_more(ox, started, 2)
    assert "1 process left" in ox.becomes("b", "exited")["reason"]

    ox.done("stop")

    assert [pid for pid in hidden if alive(pid)] == []


@WAYS
def test_what_hides_is_found_by_the_supervisor_that_adopts_the_run(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.up(f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n')
    [hidden] = one_more(ox, started)
    pid = ox.pid("a")

    killed(ox)
    assert (ox.pid("a"), alive(hidden)) == (pid, True)
    ox.done("stop", "a")

    assert not alive(hidden)


@WAYS
def test_what_hides_is_found_after_an_upgrade(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.up(f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n')
    [hidden] = one_more(ox, started)
    pid = ox.pid("a")

    ox.done("upgrade")
    assert (ox.pid("a"), alive(hidden)) == (pid, True)
    ox.done("stop", "a")

    assert not alive(hidden)


@WAYS
def test_what_hides_is_ended_where_a_crash_ends_all(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.write(
        '[supervisor]\non_crash = "kill"\n'
        f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n'
    )
    ox.done("start")
    [hidden] = one_more(ox, started)

    ox.crash()
    ox.done("start")

    assert not alive(hidden)


@WAYS
def test_doctor_says_which_way_is_in_force(ox: Ox, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.up("")

    said = ox.done("doctor")

    assert ox.ask("/v1/supervisor")["containment"] in said
    assert ("subreaper and descent (OXTRIO_CGROUPS=off)" in said) == (way == "off")


@pytest.mark.skipif(isinstance(GROUND, NoGround), reason=NO_CGROUPS)
def test_cgroups_go_with_their_runs(ox: Ox):
    ox.up('[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n')
    folder = folder_of(ox)

    def has(count: int) -> bool:
        found = [each for each in folder.glob("*") if each.is_dir()] if folder.exists() else []
        return len(found) == count

    ox.eventually(lambda: has(2), "a cgroup for each run")
    assert str(ox.supervisor().pid) not in (folder / "cgroup.procs").read_text()
    ox.done("stop", "a")
    ox.eventually(lambda: has(1), "that of the app to go")

    killed(ox)
    ox.done("start", "a")
    ox.eventually(lambda: has(2), "the next one beside that of the canary")
    ox.done("stop")

    assert not folder.exists()


@pytest.mark.skipif(isinstance(GROUND, NoGround), reason=NO_CGROUPS)
def test_a_run_that_was_begun_without_cgroups_goes_on_by_descent(ox: Ox, started):
    ox.environ["OXTRIO_CGROUPS"] = "off"
    ox.up(f'[processes.a]\ncommand = "{VANISH} sleep 3600"\nstart_secs = 0\n')
    [hidden] = one_more(ox, started)
    ox.crash()
    del ox.environ["OXTRIO_CGROUPS"]

    ox.done("start")
    assert alive(hidden)
    ox.done("stop", "a")

    assert not alive(hidden)


NESTED = (
    f'[processes.nested]\ncommand = "{BIN}/oxtrio -c oxfile.toml run"\nworking_dir = "within"\n'
    'env = { OXTRIO_HOME = "h" }\nstart_secs = 0\nrestart_on_exit = false\n'
)


@WAYS
def test_an_oxtrio_within_an_oxtrio_ends_with_all_it_runs(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    inner = f'[processes.inner]\ncommand = "{VANISH} sleep 3600"\nworking_dir = ".."\n'
    ox.write(inner, "within/oxfile.toml")
    ox.up(NESTED)
    [hidden] = one_more(ox, started)

    ox.done("stop", "nested")

    assert not alive(hidden)


@WAYS
def test_what_a_killed_oxtrio_within_an_oxtrio_ran_goes_with_the_run(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    ox.write('[processes.inner]\ncommand = "sleep 3600"\nstart_secs = 0\n', "within/oxfile.toml")
    ox.up(NESTED)
    nested = ox.pid("nested")
    inner = ox.eventually(lambda: _children(nested), "the inner app")

    os.kill(nested, signal.SIGKILL)
    ox.becomes("nested", "crashed")
    ox.done("stop", "nested")

    assert [pid for pid in inner if alive(pid)] == []


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@needs_root
@WAYS
def test_what_hides_as_another_user_is_found(ox: Ox, started, way: str):
    ox.environ["OXTRIO_CGROUPS"] = way
    (ox.folder / "vanished").touch()
    for each in (ox.folder, ox.folder / "vanished"):
        each.chmod(0o755 if each.is_dir() else 0o666)
    command = f'[processes.a]\ncommand = ["{NOBODY[0]}", {_quoted(NOBODY[1:])}, {_vanishing()}]\n'
    ox.up(command + "start_secs = 0\n")
    [hidden] = one_more(ox, started)

    ox.done("stop", "a")

    assert not alive(hidden)


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _vanishing() -> str:
    words = (sys.executable, "-IS", f"{FIXTURES}/vanish.py", "vanished", "sleep", "3600")
    return _quoted(words)
