"""A wall clock that jumps while everything runs: nothing is early, late, or started again."""

import re
import signal
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.faults.logged import TALKING
from tests.faults.parts import parts
from tests.fixtures.jump import COMPILER, Jump

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="no C compiler"),
]

DAY, HOUR = 86_400, 3_600


@pytest.fixture
def jump(ox: Ox) -> Jump:
    """The clock of all that this project starts."""
    clock = Jump(ox.folder)
    ox.environ |= clock.environ
    return clock


def test_x11_timers_go_by_no_clock_that_jumps(ox: Ox, jump: Jump):
    ox.up(
        "[processes.web]\ncommand = 'sleep 3600'\nhealth_check = { interval_secs = 0.2,"
        " timeout_secs = 5, command = 'echo x >> asked' }\n"
        "[processes.waits]\ncommand = 'exit 3'\nrestart_delay_ms = 3600000\n"
        f"[processes.says]\ncommand = '{TALKING}'\nstart_secs = 0\n"
        "logs = { max_size_mb = 0.004, max_files = 1000 }\n",
        "web",
        "says",
        "canary",
    )
    ox("start", "waits")
    ox.becomes("waits", "backoff")
    before = {name: row["pid"] for name, row in ox.rows().items()}

    for seconds in (DAY, -HOUR):
        jump.to(seconds)
        asked, rotated = _lines(ox.folder / "asked"), len(parts(ox.state / "logs", "says.log"))
        ox.eventually(lambda n=asked: _lines(ox.folder / "asked") > n + 2, "some health checks")
        ox.eventually(lambda n=rotated: len(parts(ox.state / "logs", "says.log")) > n, "a rotation")
        rows = ox.rows()
        assert {name: row["pid"] for name, row in rows.items()} == before
        assert rows["waits"]["status"] == "backoff"
        assert all(row["restarts"] == 0 for row in rows.values())
        assert all(0 <= row["uptime_secs"] < 600 for row in rows.values() if row["pid"])
        assert re.search(r"in (1 h|5\d min)", rows["waits"]["reason"]), rows["waits"]

    ox.done("stop", "says")
    found = parts(ox.state / "logs", "says.log")
    numbers = [int(line.split()[0]) for each in found for line in each.read_text().splitlines()]
    assert numbers == list(range(len(numbers)))
    shown = [int(line.split()[0]) for line in ox.done("logs", "says", "-n", "all").splitlines()]
    assert shown == numbers
    assert [each["seq"] for each in ox.events()] == sorted(each["seq"] for each in ox.events())
    assert all(datetime.fromisoformat(each["at"]).tzinfo for each in ox.events())


@pytest.mark.parametrize("seconds", [DAY, -HOUR])
def test_x11_a_stop_takes_as_long_as_it_may_whatever_the_clock_says(
    ox: Ox, jump: Jump, seconds: int
):
    ox.write(
        "import signal, time\ndef end(*_):\n    open('heard', 'w').close()\n    time.sleep(1)\n"
        "    open('ended', 'w').write('in peace')\n    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\nopen('ready', 'w').write('x')\nsignal.pause()\n",
        "peace.py",
    )
    ox.up(
        f"[processes.peace]\ncommand = '{PYTHON} peace.py'\nstart_secs = 0\n"
        f"[processes.deaf]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py deaf TERM'\n"
        "start_secs = 0\nstop_timeout_ms = 1500\n"
    )
    for name in ("ready", "deaf"):
        ox.content(name)

    stopping = ox.foreground("stop", "peace", "deaf")
    ox.eventually((ox.folder / "heard").exists, "the signal")
    jump.to(seconds)

    assert stopping.ends() == 0
    assert ox.content("ended") == "in peace"


def test_x11_after_a_jump_and_a_crash_uptimes_and_delays_are_still_right(ox: Ox, jump: Jump):
    ox.write(
        "[processes.a]\ncommand = 'sleep 3600'\nstart_secs = 0\n"
        "[processes.waits]\ncommand = 'echo x >> runs; exit 3'\nrestart_delay_ms = 3600000\n"
    )
    ox("start")
    ox.becomes("waits", "backoff")
    pid = ox.pid("a")

    for seconds in (DAY, -HOUR):
        jump.to(seconds)
        old = ox.supervisor()
        old.send_signal(signal.SIGKILL)
        ox.eventually(lambda old=old: ox.rows() and ox.supervisor() != old, "the next supervisor")
        waits, rows = ox.becomes("waits", "backoff"), ox.rows()
        assert re.search(r"in (1 h|5\d min)", waits["reason"]), waits
        assert rows["a"]["pid"] == pid
        assert 0 <= rows["a"]["uptime_secs"] < 600
        assert (ox.folder / "runs").read_text() == "x\n", "it was not tried again"


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0
