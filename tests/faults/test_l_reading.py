"""Output as it is read again: bytes that are no text, and apps that would like to be another."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.kit import Ox
from tests.e2e.stack import BIN

pytestmark = pytest.mark.slow

ONE_SHOT = "restart_on_exit = false\nstart_secs = 0\n"
GARBAGE = (
    b"\x88\xff\xfe\x00\x00\xc0\xaf\xed\xa0\x80 mid\rdle\n" + bytes(range(256)) + b"\nSENTINEL\n"
)
ATTACK = (
    b'\x1b]0;title\x07\x1b[2J\x1b[1A\x1b]8;;http://evil/\x07click\x1b]8;;\x07 \xc2\x9b31m \x1bP$q"p'
    b"\x1b\\ \xe2\x80\xaetxt\nreal\rb | with a return\n\xe2\x80\xa8b | with a separator\n"
    b"\xc2\x85b | with the next line of C1\n\x0bb | with a tab\n\x1b[?1049h\x1bc\x1b[Eb | below\n"
)
"""A title, a cleared screen, the cursor elsewhere, a link, C1, a query, text from right to left."""
HARMLESS = re.compile("\x1b\\[[0-9;]*m")
"""A colour."""
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def says(ox: Ox, name: str, data: bytes) -> str:
    """The part of the oxfile of an app that says *data*, and ends."""
    (ox.folder / f"{name}.bytes").write_bytes(data)
    return f"[processes.{name}]\ncommand = 'cat {name}.bytes'\n{ONE_SHOT}"


def on_a_terminal(ox: Ox, *words: str, until: tuple[bytes, ...] = (b"\0",)) -> str:
    """What a terminal shows of `oxtrio` with *words*, once that says *until* or has ended."""
    ours, its = pty.openpty()
    argv = [str(BIN / "oxtrio"), *words]
    environ = {**ox.environ, "TERM": "xterm"}
    streams = {"stdin": its, "stdout": its, "stderr": its}
    with subprocess.Popen(argv, cwd=ox.folder, env=environ, **streams) as running:
        os.close(its)
        shown = bytearray()
        while not all(each in shown for each in until):
            try:
                shown += os.read(ours, 65536)
            except OSError:  # nobody has the other end any more
                break
        running.terminate()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_l05_what_is_no_text_is_kept_as_it_is_and_read_in_every_manner(ox: Ox):
    (ox.folder / "bytes").write_bytes(GARBAGE)
    ox.up("[processes.a]\ncommand = 'cat bytes; exec sleep 3600'\nstart_secs = 0\n")
    path = ox.state / "logs" / "a.log"
    ox.eventually(lambda: path.read_bytes() == GARBAGE, "the bytes of the app")

    raw = subprocess.run(
        [BIN / "oxtrio", "logs", "a"],
        cwd=ox.folder,
        env=ox.environ,
        capture_output=True,
        check=True,
    )
    assert raw.stdout == GARBAGE
    lines = [json.loads(each)["line"] for each in ox.done("logs", "a", "--json").splitlines()]
    assert lines[-1] == "SENTINEL"
    assert lines[0].endswith(" mid\rdle")
    following = ox.foreground("logs", "-f", "a")
    following.says("SENTINEL")
    ox.done("restart", "a")
    ox.eventually(lambda: following.out.count("SENTINEL") == 2, "the second run to be followed")


def test_l06_l07_a_terminal_shows_no_control_sequence_and_no_forged_name(ox: Ox):
    ox.write(says(ox, "a", ATTACK) + says(ox, "b", b"I am b\n"))
    ox.done("start")

    shown = [
        on_a_terminal(ox, "logs"),
        on_a_terminal(ox, "logs", "-f", until=(b"I am b", b"below")),
    ]
    ox.done("stop")
    shown.append(on_a_terminal(ox, "run"))

    for text in shown:
        bare = HARMLESS.sub("", text)
        assert not DANGEROUS.search(bare), bare
        assert "I am b" in bare
        told = [line for line in bare.splitlines() if line.startswith("b ")]
        assert [line for line in told if "I am b" not in line and "oxtrio" not in line] == []


def test_l07_as_json_no_app_can_be_another(ox: Ox):
    forged = b'{"name": "b", "app": "b", "line": "forged"}\n", "name": "b", "x": "forged\n' + ATTACK
    ox.write(says(ox, "a", forged) + says(ox, "b", b"I am b\n"))

    running = ox.foreground("run", "--json-logs")
    assert running.ends() == 0
    ox.done("start")

    for text in (running.out, ox.done("logs", "--json", "-n", "all")):
        lines = [json.loads(line) for line in text.split("\n") if line]
        assert {line["line"] for line in lines if line["name"] == "b"} == {"I am b"}
        assert sum("forged" in line["line"] for line in lines) == 2


def test_l17_no_secret_of_an_app_is_in_what_oxtrio_writes_of_its_own(ox: Ox):
    secrets = ["sk-inherited-7f3a", "sk-of-the-oxfile-7f3a", "sk-of-a-file-7f3a"]
    ox.write(f"FROM_FILE={secrets[2]}\n", ".env")
    ox.environ["API_KEY"] = secrets[0]
    ox.up(
        '[supervisor]\nlog_level = "debug"\n[processes.a]\ncommand = "exec sleep 3600"\n'
        f'env_file = ".env"\nenv = {{ OWN = "{secrets[1]}" }}\nstart_secs = 0\n'
        '[processes.bad]\ncommand = "exit 3"\nenv_file = ".env"\nrestart_delay_ms = 3600000\n',
        "canary",
    )
    ox("start")
    ox.done("restart", "a")
    ox.done("reload", "a")

    told = [ox(*words) for words in SHOWING]

    for secret in secrets:
        environ = Path(f"/proc/{ox.pid('a')}/environ").read_text()
        assert secret in environ, "the app has it"
        assert [each.args for each in told if secret in each.stdout + each.stderr] == []
        holding = [path for path in ox.home.rglob("*") if path.is_file() and secret in _text(path)]
        # What the next supervisor starts the apps with; for nobody else to read.
        assert {path.name for path in holding} <= {"state.json"}
        assert {path.stat().st_mode & 0o077 for path in holding} <= {0}


SHOWING = [
    *(("status",), ("status", "--json"), ("events",), ("events", "--json"), ("why", "a")),
    *(("why", "bad"), ("logs",), ("validate",)),
]


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
