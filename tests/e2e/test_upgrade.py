"""`oxtrio upgrade`: another program takes the supervisor's place, and no app notices."""

import json
import os
import re
import resource
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import oxtrio
from benchmarks.load import LoadSpec, start
from tests.e2e.container import Container, Manner
from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import DEADLINE, alive
from tests.e2e.site import GENTLE, Api

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
PACKAGE = Path(oxtrio.__file__).parent


class Installed:
    """A copy of oxtrio, which is what is installed for one project."""

    def __init__(self, ox: Ox) -> None:
        self.folder = ox.folder / "lib" / "oxtrio"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, self.folder, ignore=ignored)
        ox.environ |= {"PYTHONPATH": str(self.folder.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def change(self, name: str, before: str, after: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def be_version(self, version: str) -> None:
        self.change("__init__.py", oxtrio.__version__, version)


def upgrades(ox: Ox) -> int:
    return int(ox.ask("/v1/supervisor")["upgrades"])


def test_the_program_is_another_one_and_everything_else_is_as_it_was(ox: Ox):
    installed = Installed(ox)
    ox.up(SLEEPER)
    before, keeper = ox.supervisor(), ox.keeper()
    pid, descriptors = ox.pid("a"), before.num_fds()
    installed.be_version("77.7")

    said = ox.done("upgrade")

    assert said == f"oxtrio {oxtrio.__version__} is replaced by 77.7: 2 apps run on as before\n"
    assert ox.ask("/v1/supervisor")["version"] == "77.7"
    assert (ox.supervisor(), ox.keeper(), ox.pid("a")) == (before, keeper, pid)
    assert "upgraded" in [each["kind"] for each in ox.events()]
    ox.eventually(lambda: abs(before.num_fds() - descriptors) <= 2, "as many descriptors")
    assert ox.rows()["a"]["restarts"] == 0


def test_every_line_is_in_the_log_once_and_in_order(ox: Ox):
    ox.up(
        "[processes.n]\n"
        "command = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done; exec sleep 3600'\n"
        "start_secs = 0\n"
    )
    for _ in range(3):
        ox.done("upgrade")

    path = ox.state / "logs" / "n.log"
    ox.eventually(lambda: path.read_text().endswith("\n20000\n"), "the last line")
    assert path.read_text().split() == [str(number) for number in range(1, 20001)]


def test_who_ends_meanwhile_ends_with_its_own_code_and_its_last_words(ox: Ox):
    names = [f"a{number}" for number in range(20)]
    ox.up(
        "".join(
            f"[processes.{name}]\nrestart_on_exit = false\nstart_secs = 0\n"
            f"command = 'until test -e go; do sleep 0.0{number + 1}; done; echo bye;"
            f" exit {number + 1}'\n"
            for number, name in enumerate(names)
        )
    )
    (ox.folder / "go").touch()

    ox.done("upgrade")

    for number, name in enumerate(names):
        row = ox.becomes(name, "crashed", "backoff", "exited")
        assert row["exit"]["code"] == number + 1
    for name in names:
        assert (ox.state / "logs" / f"{name}.log").read_text() == "bye\n"


def test_no_connection_is_refused_and_no_request_lost(ox: Ox):
    api = Api(ox)
    ox.up(api.oxfile("instances = 2"))
    pids = api.pids(2)
    with start(api.load()) as load:
        load.wait_answers(20)
        for _ in range(3):
            ox.done("upgrade")
            load.wait_answers(20)
        record = load.stop()

    assert record.whole.failed == {}, record.first
    assert api.pids(2) == pids


def test_a_unix_socket_stays_where_it_is(ox: Ox):
    path = ox.folder / "api.sock"
    ox.up(
        f'[processes.api]\ncommand = "{PYTHON} {FIXTURES}/handed.py 1"\nlisten = "unix:{path}"\n'
        "restart_delay_ms = 2000\n"
    )
    pid = ox.pid("api")
    with start(LoadSpec(f"unix:{path}", concurrency=2, pause=GENTLE)) as load:
        load.wait_answers(20)
        ox.done("upgrade")
        load.wait_answers(20)
        assert ox.pid("api") == pid
        calm = load.stop()
    os.kill(pid, signal.SIGKILL)
    ox.becomes("api", "backoff")
    with start(LoadSpec(f"unix:{path}", concurrency=2, pause=GENTLE)) as load:
        ox.done("upgrade")
        load.wait_answers(20)
        after = load.stop()

    assert (calm.whole.failed, after.whole.failed) == ({}, {}), (calm.first, after.first)
    assert ox.rows()["api"]["listen"] == [f"unix:{path}"]


def test_who_waits_for_an_app_in_backoff_is_answered_by_its_next_run(ox: Ox):
    api = Api(ox)
    ox.up(api.oxfile("restart_delay_ms = 2000"))
    os.kill(ox.pid("api"), signal.SIGKILL)
    ox.becomes("api", "backoff")

    with start(api.load()) as load:
        ox.done("upgrade")
        load.wait_answers(20)
        record = load.stop()

    assert record.whole.failed == {}, record.first


def test_what_is_stopped_done_or_counted_stays_so(ox: Ox):
    ox.up(
        SLEEPER
        + "[processes.once]\ncommand = 'echo x >> once'\nrestart_on_exit = false\n"
        + "[processes.given-up]\ncommand = 'echo its reason; exit 3'\nmax_restarts = 1\n"
        + "[processes.down]\ncommand = 'sleep 3600'\nstart_secs = 0\n",
        "--no-wait",
    )
    ox.becomes("given-up", "crashed")
    ox.becomes("once", "exited")
    ox.becomes("a", "running")
    ox.done("stop", "down")
    os.kill(ox.pid("a"), signal.SIGKILL)
    ox.eventually(lambda: ox.rows()["a"]["restarts"] == 1, "a restart")
    ox.becomes("a", "running")

    ox.done("upgrade")

    rows = ox.rows()
    assert {name: row["status"] for name, row in rows.items() if name != "canary"} == {
        "a": "running",
        "once": "exited",
        "given-up": "crashed",
        "down": "stopped",
    }
    assert rows["a"]["restarts"] == 1
    assert rows["given-up"]["exit"]["code"] == 3
    assert "its reason" in ox.done("why", "given-up")
    assert (ox.folder / "once").read_text() == "x\n"


def test_a_paused_app_is_still_paused_and_can_go_on(ox: Ox):
    ox.up(SLEEPER)
    os.kill(ox.pid("a"), signal.SIGSTOP)
    ox.becomes("a", "paused")

    ox.done("upgrade")

    ox.becomes("a", "paused")
    os.kill(ox.pid("a"), signal.SIGCONT)
    ox.becomes("a", "running")


def test_the_limits_of_new_runs_are_those_of_before(ox: Ox):
    soft = min(700, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    ox.write(SLEEPER + "[processes.says]\ncommand = 'ulimit -n >> limits; exec sleep 3600'\n")
    ox.done("start", prefix=("prlimit", f"--nofile={soft}:"))
    ox.done("upgrade")

    ox.done("restart", "says")

    assert ox.content("limits", lambda text: text.count("\n") == 2) == f"{soft}\n" * 2


def test_a_notify_app_that_gets_ready_meanwhile_has_been_heard(ox: Ox):
    ox.write(
        "[processes.a]\n"
        "command = 'until test -e go; do sleep 0.02; done;"
        f" exec {PYTHON} {FIXTURES}/notify.py --ready-after 0'\n"
        "[processes.a.health_check]\nnotify = true\nstart_period_secs = 60\n"
    )
    ox.done("start", "--no-wait")
    ox.becomes("a", "starting")

    (ox.folder / "go").touch()
    ox.done("upgrade")

    ox.becomes("a", "running")


def test_who_follows_goes_on_without_a_gap_after_a_crash_too(ox: Ox):
    ox.up(
        "[processes.n]\nstart_secs = 0\n"
        "command = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.01; done;"
        " exec sleep 3600'\n"
    )
    logs = ox.foreground("logs", "-f", "-n", "all", "n")
    events = ox.foreground("events", "-f", "-n", "1000", "--json")

    ox.done("upgrade")
    ox.supervisor().kill()
    ox.becomes("n", "running")

    logs.says("\n400\n")
    assert logs.out.split() == [str(number) for number in range(1, 401)]
    ox.done("stop")
    assert (logs.ends(), events.ends()) == (0, 0)
    numbers = [json.loads(line)["seq"] for line in events.out.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert logs.err == ""


def test_who_waits_waits_on(ox: Ox):
    ox.up(
        "[processes.once]\nrestart_on_exit = false\n"
        "command = 'until test -e go; do sleep 0.05; done'\n",
        "--no-wait",
    )
    ox.becomes("once", "starting", "running")
    waiting = ox.foreground("wait", "once", "--for", "exited")
    client = psutil.Process(waiting.process.pid)
    ox.eventually(lambda: client.net_connections("unix"), "it to have asked")

    ox.done("upgrade")
    (ox.folder / "go").touch()

    assert waiting.ends() == 0
    assert waiting.err == ""


def test_signal_usr2_does_it_too(ox: Ox):
    ox.up(SLEEPER)

    ox.keeper().send_signal(signal.SIGUSR2)
    ox.eventually(lambda: upgrades(ox) == 1, "the upgrade")
    ox.supervisor().send_signal(signal.SIGUSR2)

    ox.eventually(lambda: upgrades(ox) == 2, "the second one")


def test_after_it_a_crash_is_survived_as_before(ox: Ox):
    ox.up(SLEEPER)
    pid = ox.pid("a")
    ox.done("upgrade")

    ox.supervisor().kill()

    ox.becomes("a", "running")
    assert ox.pid("a") == pid


def test_daemons_of_a_run_are_known_to_the_next_program(ox: Ox):
    ox.up(
        f'[processes.a]\ncommand = "{PYTHON} {FIXTURES}/daemonise.py daemon stay"\nstart_secs = 0\n'
    )
    daemon = int(ox.content("daemon"))
    ox.done("upgrade")

    ox.done("stop", "a")

    assert not alive(daemon)


# What is refused.


def running_on(ox: Ox, pid: int) -> None:
    assert upgrades(ox) == 0
    assert ox.pid("a") == pid
    assert "upgrade-refused" in [each["kind"] for each in ox.events()]
    ox.done("restart", "a")


def test_a_program_that_does_not_start_is_refused(ox: Ox):
    installed = Installed(ox)
    ox.up(SLEEPER)
    pid = ox.pid("a")
    installed.change("upgrade.py", "import json\n", "import json\nimport what_is_not_there\n")

    # The command line itself is whole: only the supervisor needs this file.
    said = ox.refused(1, "upgrade")

    assert "No module named 'what_is_not_there'" in said
    running_on(ox, pid)


def test_a_program_that_does_not_understand_the_state_is_refused(ox: Ox):
    installed = Installed(ox)
    ox.up(SLEEPER)
    pid = ox.pid("a")
    installed.change("supervisor/handover.py", "\nFORMAT = 1\n", "\nFORMAT = 0\n")

    said = ox.refused(1, "upgrade")

    assert "hands on what this version does not know yet" in said
    running_on(ox, pid)


def test_a_broken_oxfile_is_refused(ox: Ox):
    ox.up(SLEEPER)
    pid = ox.pid("a")
    whole = (ox.folder / "oxfile.toml").read_text()
    ox.write("[processes.a]\ncommand = 7\n")

    said = ox.refused(1, "upgrade")

    assert "oxfile.toml:2: processes.a: command must be" in said
    ox.write(whole)
    running_on(ox, pid)


def test_a_dry_run_only_says_whether_it_would_work(ox: Ox):
    installed = Installed(ox)
    ox.up(SLEEPER)
    installed.be_version("77.7")

    ended = ox("upgrade", "--dry-run")

    assert ended.returncode == 0
    assert f"Would replace oxtrio {oxtrio.__version__} by 77.7" in ended.stdout + ended.stderr
    assert upgrades(ox) == 0


def test_it_waits_for_what_is_being_stopped(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py ready TERM'\n"
        "stop_timeout_ms = 1500\nstart_secs = 0\n"
    )
    ox.content("ready")
    ox.done("stop", "a", "--no-wait")
    ox.becomes("a", "stopping")

    ox.done("upgrade")

    assert ox.rows()["a"]["status"] == "stopped"


# Without a keeper.


def test_in_the_foreground_nothing_is_begun_again_and_its_code_is_known(ox: Ox):
    ox.write(
        "[processes.once]\ncommand = 'echo x >> once'\nrestart_on_exit = false\n"
        "[processes.main]\ncommand = 'printf half; until test -e go; do sleep 0.05; done;"
        " echo; exit 7'\nrestart_on_exit = false\non_exit = 'shutdown'\nstart_secs = 0\n"
    )
    running = ox.foreground("run")
    ox.becomes("once", "exited")
    ox.becomes("main", "running")

    ox.done("upgrade")
    ox.done("upgrade")
    (ox.folder / "go").touch()

    assert running.ends() == 7
    assert (ox.folder / "once").read_text() == "x\n"
    assert re.findall(r"main +\| (.*)\n", running.out) == ["half"]
    assert running.err.count("everything runs on") == 2


def test_output_that_is_in_no_file_is_there_afterwards(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'echo before; until test -e go; do sleep 0.05; done;"
        " echo after; exec sleep 3600'\nstart_secs = 0\n"
        "[processes.done]\ncommand = 'echo said its word'\nrestart_on_exit = false\n"
    )
    running = ox.foreground("run")
    ox.becomes("done", "exited")
    running.says("before")
    ox.done("upgrade")
    (ox.folder / "go").touch()
    running.says("after")

    assert ox.done("logs", "a", "--no-prefix").splitlines() == ["before", "after"]
    assert ox.done("logs", "done", "--no-prefix") == "said its word\n"


def test_where_nobody_reads_what_is_shown_it_is_refused_and_nothing_is_lost(ox: Ox):
    count = 60_000
    ox.write(
        "[processes.n]\nstart_secs = 0\n"
        f"command = 'i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo $i; done;"
        " exec sleep 3600'\n"
    )
    reading, writing = os.pipe()
    running = ox.foreground("run", "--no-prefix", stdout=writing)
    os.close(writing)
    try:
        ox.becomes("n", "running")
        kind = "upgrade-failed"
        assert "output waits" in ox.refused(1, "upgrade")
        assert kind in [each["kind"] for each in ox.events()]

        with os.fdopen(os.dup(reading)) as shown:
            numbers = [int(next(shown)) for _ in range(count // 2)]
            with ThreadPoolExecutor(1) as thread:
                upgrading = thread.submit(ox.done, "upgrade")
                numbers += [int(next(shown)) for _ in range(count - count // 2)]
                upgrading.result(DEADLINE)
    finally:
        os.close(reading)

    assert numbers == list(range(1, count + 1))
    assert upgrades(ox) == 1
    ox.done("stop")
    assert running.ends() == 0


@needs_root
@pytest.mark.parametrize(
    "manner",
    [Manner(), Manner(read_only=True), Manner(user=True), Manner(minimal=True)],
    ids=["as it is", "read-only", "nobody", "minimal"],
)
def test_as_pid_1_it_stays_pid_1(ox: Ox, manner: Manner):
    ox.write(
        "[processes.n]\nstart_secs = 0\ncommand = ["
        f'"{sys.executable}", "-IS", "-c", """\n'
        "import sys, time\n"
        "for number in range(2000):\n"
        "    sys.stdout.write(f'{number}\\\\n')\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.001)\n"
        "time.sleep(3600)\n"
        '""" ]\n'
    )
    container = Container(ox, "run", "--no-prefix", manner=manner)
    pid = container.becomes("n", "running")["pid"]
    first = container.first

    for _ in range(2):
        ended = container.exec("upgrade")
        assert ended.returncode == 0, ended

    assert container.first == first
    assert container.becomes("n", "running")["pid"] == pid
    container.running.says("\n1999\n")
    assert container.running.out.split() == [str(number) for number in range(2000)]
    assert container.stop() == 0


def test_when_the_keeper_is_dead_everything_is_handed_on_all_the_same(ox: Ox):
    api = Api(ox)
    ox.up(
        api.oxfile("instances = 2")
        + "[processes.n]\nrestart_on_exit = false\nstart_secs = 0\n"
        + "command = 'until test -e go; do sleep 0.05; done; echo bye; exit 7'\n"
    )
    ox.keeper().send_signal(signal.SIGKILL)
    (ox.folder / "go").touch()
    with start(api.load()) as load:
        load.wait_answers(20)
        for _ in range(2):
            ox.done("upgrade")
        os.kill(ox.pid("api:0"), signal.SIGKILL)
        ox.eventually(lambda: ox.rows()["api:0"]["restarts"] == 1, "a restart")
        ox.becomes("api:0", "running")
        load.wait_answers(20)
        record = load.stop()

    assert "refused" not in record.whole.failed, record.first
    assert ox.becomes("n", "crashed", "exited", "backoff")["exit"]["code"] == 7
    assert (ox.state / "logs" / "n.log").read_text() == "bye\n"
