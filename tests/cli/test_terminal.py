"""What only a terminal gets to see: tests on a pseudo-terminal."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PLAY = """
import sys, time
sys.path.insert(0, {root!r})
from oxtrio.cli.main import main
from oxtrio.cli.target import Target
from oxtrio.model.log import *
from oxtrio.model.order import *
from oxtrio.model.state import State
from tests.cli.scripted import ScriptedClient, line, row
client = ScriptedClient()
Target.client = lambda target: client
Target.is_running = lambda target: True
{script}
sys.exit(main({words!r}))
"""
ROOT = str(Path(__file__).parents[2])


def on_a_terminal(script: str, *words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code, and all that a terminal of 80 columns got."""
    code = PLAY.format(root=ROOT, script=script, words=list(words))
    ours, theirs = pty.openpty()
    surroundings = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings | (env or {}),
    ) as process:
        os.close(theirs)
        text = read_all(ours)
    os.close(ours)
    return process.returncode, text.replace("\r\n", "\n")


def read_all(fd: int) -> str:
    """All that is written until the other end is closed, which Linux reports as an error."""
    chunks = []
    try:
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
    except OSError:
        pass
    return b"".join(chunks).decode()


def screen(text: str) -> list[str]:
    """The lines that are left on the screen, without colours."""
    lines: list[str] = [""]
    at = 0
    for part in re.split(r"(\x1b\[\d*[A-Za-z]|\r|\n)", text):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part == "\r":
            lines[at] = ""
        elif found := re.fullmatch(r"\x1b\[(\d*)A", part):
            at -= int(found[1])
        elif part == "\x1b[J":
            del lines[at + 1 :]
        elif not part.startswith("\x1b"):
            lines[at] += part
    return [line.rstrip() for line in lines if line.strip()]


STEPS = """
client.answers = [
    Step(name="db", state="starting"),
    Step(name="api:0", state="starting"),
    Step(name="db", state="running", pid=7),
    Step(name="api:0", state="backoff", reason="exit code 1, and more to say " * 9),
    Report(done=(
        Step(name="db", state="running", pid=7), Step(name="api:0", state="running", pid=8)
    )),
]
"""


def test_waiting_shows_one_live_line_per_instance():
    code, text = on_a_terminal(STEPS, "restart")

    assert code == 0
    assert "starting" in text
    assert screen(text) == ["db     running     pid 7", "api:0  running     pid 8"]


def test_the_final_lines_are_in_the_order_of_the_report():
    script = """
client.answers = [Step(name="b", state="starting"), Step(name="c", state="running", pid=3)] + [
    Report(done=tuple(Step(name=name, state="running", pid=1) for name in "ab"))
]
"""
    _, text = on_a_terminal(script, "restart")

    assert [line[0] for line in screen(text)] == ["a", "b", "c"]


def test_a_reload_shows_how_far_each_instance_is_on_its_own_line():
    script = """
reasons = ("spawned pid 9", "waiting for health 1/2", "switched", "draining", "stopped")
client.answers = [
    *(Step(name="api:0", state="reloading", reason=reason, pid=9) for reason in reasons),
    Step(name="api:0", state="running", pid=9),
    Step(name="api:1", state="reloading", reason="spawned pid 10", pid=10),
    Step(name="api:1", state="running", pid=8),
    Report(
        done=tuple(Step(name=f"api:{n}", state="running", pid=9 - n) for n in (0, 1)),
        failures=(Failure(name="api:1", reason="exit code 1", last_lines=("boom",)),),
    ),
]
"""
    code, text = on_a_terminal(script, "reload", env={"NO_COLOR": "1"})

    assert code == 1
    for reason in ("spawned pid 9", "waiting for health 1/2", "switched", "draining", "stopped"):
        assert f"api:0  reloading   {reason}\x1b[K" in text
    assert screen(text) == [
        "api:0  running     pid 9",
        "api:1  running     pid 8",
        "error: cannot reload api:1: exit code 1",
        "    boom",
    ]


def test_no_live_line_is_wider_than_the_terminal():
    _, text = on_a_terminal(STEPS, "restart", env={"NO_COLOR": "1"})

    assert max(len(re.sub(r"\x1b\[\w", "", line)) for line in re.split(r"[\r\n]", text)) <= 80


def test_more_instances_than_the_screen_has_lines_still_end_well():
    script = """
names = [f"app-{n}" for n in range(40)]
client.answers = [Step(name=name, state="starting") for name in names] + [
    Report(done=tuple(Step(name=name, state="running", pid=1) for name in names))
]
"""
    _, text = on_a_terminal(script, "restart")

    assert max(map(int, re.findall(r"\x1b\[(\d+)A", text))) <= 22
    assert sum("running" in line for line in screen(text)[-40:]) == 40


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_the_table_is_coloured_on_a_terminal(env, coloured: bool):
    _, text = on_a_terminal('client.rows = [row("api")]', "status", env=env)

    assert ("\x1b[32mrunning" in text) is coloured


def test_the_table_fits_the_terminal():
    _, text = on_a_terminal('client.rows = [row("api", reason="because " * 20)]', "status")

    assert max(len(line) for line in screen(text)) <= 80
    assert "…" in text


def test_what_is_held_is_shown_where_there_is_room():
    script = 'client.rows = [row("api", listen=("0.0.0.0:8000",))]'

    assert "LISTEN" not in on_a_terminal(script, "status", env={"COLUMNS": "80"})[1]
    assert screen(on_a_terminal(script, "status", env={"COLUMNS": "90", "NO_COLOR": "1"})[1]) == [
        "NAME  PID    STATUS   CPU   MEM     RESTARTS  UPTIME  HEALTH  REASON  LISTEN",
        "api   22140  running  3.2%  210 MB  0         2d 6h   -               0.0.0.0:8000",
    ]


def test_output_of_an_app_cannot_steer_the_terminal():
    script = """
client.rows = [row("api")]
client.output = [[line("api", b"\\x1b]0;title\\x07\\x1b[2Jtext \\x1b[31mred\\x1b[0m")]]
"""
    _, text = on_a_terminal(script, "logs")

    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "text" in text
    assert "\x1b[31mred" in text


def test_a_terminal_always_gets_the_name():
    script = 'client.rows = [row("api")]; client.output = [[line("api", b"hello")]]'

    assert "api" in on_a_terminal(script, "logs")[1]
    assert on_a_terminal(script, "logs", "--no-prefix")[1] == "hello\n"


def test_watching_draws_in_place_until_ctrl_c():
    script = """
import os, signal
client.rows = [row("api")]
shown = []
def status(names, fresh=False):
    shown.append(1)
    if len(shown) == 3:
        signal.raise_signal(signal.SIGINT)
    return client.rows
client.status = status
from oxtrio.cli import standing
standing.INTERVAL = 0
"""
    code, text = on_a_terminal(script, "status", "--watch")

    assert code == 130
    assert len(screen(text)) == 2
    assert text.count("api") == 2


def test_a_reader_that_goes_away_is_no_error():
    code = PLAY.format(
        root=ROOT,
        script='client.rows = [row("api")]; client.output = [[line("api", b"x" * 70000)] * 100]',
        words=["logs", "-n", "all"],
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE
