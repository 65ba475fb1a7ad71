"""Health checks that fail, flap, hang, come too late, or are very many."""

import socket

import psutil
import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.faults.invariants import cpu_ticks
from tests.fixtures.jump import COMPILER, Jump

pytestmark = pytest.mark.slow

APP = "[processes.a]\ncommand = 'sleep 3600'\n"
CHECK = "[processes.a.health_check]\ninterval_secs = 0.05\n"
SERVER = f"{PYTHON} {FIXTURES}/httpsrv.py"


def events_of(ox: Ox, name: str) -> list[str]:
    return [str(each["state"]) for each in ox.events() if each["name"] == name]


def asked(ox: Ox, name: str = "asked") -> int:
    """How often a health command has been run that writes a line each time."""
    path = ox.folder / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_h01_a_server_that_is_not_there_any_more_is_restarted_once_per_threshold(ox: Ox):
    """With a delay before each restart, until it is given up, and with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ox.up(
            APP + "restart_delay_ms = 100\nmax_restarts = 3\n" + CHECK + "start_period_secs = 0.2\n"
            f"unhealthy_threshold = 3\nendpoint = 'tcp://127.0.0.1:{port}'\n"
        )

    ox.becomes("a", "crashed")

    states = events_of(ox, "a")
    assert states.count("starting") == 4, "the first run and three restarts"
    assert states.count("backoff") == 3
    reasons = [str(each["reason"]) for each in ox.events() if each["name"] == "a"]
    assert any("3 health checks in a row failed: connection refused" in each for each in reasons)
    assert "connection refused" in ox.done("why", "a")


def test_h09_one_that_flaps_is_left_alone_and_is_no_news(ox: Ox):
    flap = "echo x >> asked; if test -e ill; then rm ill; else touch ill; exit 1; fi"
    ox.up(APP + CHECK + f"unhealthy_threshold = 2\ncommand = '{flap}'\n")
    pid, told = ox.pid("a"), len(ox.events())

    before = asked(ox)
    ox.eventually(lambda: asked(ox) > before + 20, "twenty answers")

    assert ox.pid("a") == pid
    assert len(ox.events()) == told
    assert ox.rows()["a"]["last_health"]
    assert (ox.state / "supervisor.log").read_text().count("\n") < 10


def test_h10_whatever_a_health_command_does_it_is_an_answer_and_nothing_of_it_stays(ox: Ox):
    commands = {
        "hangs": "sleep 4321",
        "leaves": "sleep 4321 & exit 1",
        "floods": "yes",
        "dies": "kill -SEGV $$",
        "missing": "/no/such/program",
    }
    ox.up(
        "".join(
            (APP + CHECK).replace(".a", f".{name}") + f"timeout_secs = 0.3\ncommand = '{command}'\n"
            for name, command in commands.items()
        ),
        "--no-wait",
    )
    memory = ox.supervisor().memory_info().rss

    def answers() -> dict[str, str]:
        return {name: str(ox.rows()[name]["last_health"]) for name in commands}

    said = ox.eventually(lambda: "None" not in (a := answers()).values() and a, "all answers")
    for name, text in {
        "hangs": "timed out",
        "leaves": "exit code 1",
        "floods": "timed out",
        "dies": "SIGSEGV",
        "missing": "not found",
    }.items():
        assert text in said[name], said

    ox.done("stop", *commands)
    left = ("sleep 4321", "yes")
    ox.eventually(
        lambda: not [each for each in ox.ours() if " ".join(each.cmdline()) in left],
        "the commands to be gone",
    )
    assert ox.supervisor().memory_info().rss - memory < 16 << 20


def test_h11_nobody_is_asked_while_it_is_stopped_or_paused_or_waits(ox: Ox):
    """The check of another app says how much time has passed."""
    ox.up(
        APP + "restart_delay_ms = 3600000\n" + CHECK + "command = 'echo x >> asked'\n"
        "[processes.clock]\ncommand = 'sleep 3600'\n"
        "[processes.clock.health_check]\ninterval_secs = 0.05\ncommand = 'echo x >> ticks'\n"
    )

    def die() -> None:
        psutil.Process(ox.pid("a")).kill()
        ox.becomes("a", "backoff")

    for halt, go_on in (
        (lambda: ox.done("pause", "a"), "resume"),
        (lambda: ox.done("stop", "a"), "start"),
        (die, "start"),
    ):
        halt()
        before, ticks = asked(ox), asked(ox, "ticks")
        ox.eventually(lambda ticks=ticks: asked(ox, "ticks") > ticks + 8, "some time to pass")
        assert asked(ox) <= before + 1, "one may have been under way"
        ox.done(go_on, "a")
        ox.eventually(lambda before=before: asked(ox) > before + 2, "it to be asked again")


def test_h13_one_that_is_unwell_because_it_stops_is_stopped_and_not_restarted(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/trapmark.py heard deaf'\n"
        "stop_timeout_ms = 600\n" + CHECK + "unhealthy_threshold = 1\n"
        "command = '! grep TERM heard'\n"
    )
    ox.done("stop", "a")

    row = ox.rows()["a"]
    assert (row["status"], row["pid"], row["restarts"]) == ("stopped", None, 0)
    assert events_of(ox, "a").count("starting") == 1
    assert (ox.folder / "heard").read_text().count("ready") == 1


def test_h14_two_hundred_checks_a_second_leave_time_for_everything_else(ox: Ox):
    command = f"{SERVER} ok > port"
    ox.up(f"[processes.server]\ncommand = '{command}'\nstart_secs = 0\n")
    port = ox.content("port", lambda text: "\n" in text).split()[0]
    ox.write(
        (ox.folder / "oxfile.toml").read_text() + APP + "instances = 50\n"
        f"[processes.a.health_check]\nendpoint = 'http://127.0.0.1:{port}/'\ninterval_secs = 0.25\n"
    )
    ox.done("start")
    pid = ox.supervisor().pid

    ticks, requests = cpu_ticks(pid), asked(ox, "port")
    ox.eventually(lambda: asked(ox, "port") > requests + 400, "400 checks")
    milliseconds = 10 * (cpu_ticks(pid) - ticks)

    # 1 ms each is a fifth of a processor; on a busy machine it is more, but never a whole one.
    assert milliseconds / (asked(ox, "port") - requests) < 5
    assert {row["status"] for name, row in ox.rows().items() if name != "canary"} == {"running"}


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
@pytest.mark.parametrize("seconds", [-3600, 86_400])
def test_h16_a_clock_that_jumps_makes_nobody_unwell_and_no_check_early_or_late(
    ox: Ox, seconds: int
):
    jump = Jump(ox.folder)
    ox.environ |= jump.environ
    ox.up(
        APP + CHECK + "unhealthy_threshold = 1\ncommand = 'echo x >> asked; sleep 0.1'\n"
        "[processes.rare]\ncommand = 'sleep 3600'\n"
        "[processes.rare.health_check]\ninterval_secs = 600\ncommand = 'echo x >> rarely'\n"
    )
    pid = ox.pid("a")

    jump.to(seconds)
    before = asked(ox)
    ox.eventually(lambda: asked(ox) > before + 8, "more answers")

    assert (ox.pid("a"), ox.rows()["a"]["health"]) == (pid, "healthy")
    assert asked(ox, "rarely") == 1
