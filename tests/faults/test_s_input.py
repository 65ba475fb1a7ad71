"""What is written into files, commands, names and folders is data, and is not told to others."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.e2e.kit import CANARY, Ox
from tests.e2e.stack import BIN

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
HIJACK = "import os\nopen(os.environ['HOME'] + '/hijacked', 'a').write(__file__)\n"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown_on_a_terminal(ox: Ox, *words: str) -> str:
    """What a terminal shows of `oxtrio` with *words*."""
    ours, its = pty.openpty()
    environ = {**ox.environ, "TERM": "xterm"}
    streams = {"stdin": its, "stdout": its, "stderr": its}
    shown = bytearray()
    with subprocess.Popen([BIN / "oxtrio", *words], cwd=ox.folder, env=environ, **streams):
        os.close(its)
        with suppress(OSError):  # nobody has the other end any more
            while more := os.read(ours, 65536):
                shown += more
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_s05_a_password_in_an_endpoint_is_in_nothing_that_is_shown(ox: Ox):
    """It is in the oxfile, and is sent to the server; nobody else is told."""
    ox.write(
        "[processes.a]\ncommand = 'sleep 3600'\n[processes.a.health_check]\n"
        "endpoint = 'http://shop:s3cr3t-7f3a@127.0.0.1:1/'\nstart_period_secs = 0.2\n"
        "interval_secs = 0.1\n" + CANARY
    )
    ox("start")

    for words in (("status",), ("status", "--json"), ("why", "a"), ("events", "--json"), ("logs",)):
        ended = ox(*words)
        assert "s3cr3t" not in ended.stdout + ended.stderr, words
    for name in ("events.ndjson", "supervisor.log"):
        assert "s3cr3t" not in (ox.state / name).read_text()


def test_s06_an_env_file_is_read_and_never_run(ox: Ox):
    ox.write(
        "A=$(touch pwned)\nB=`touch pwned`\nexport C=1\nD='two\nlines'\nE=${HOME}; touch pwned\n",
        ".env",
    )
    ox.write(
        "[processes.a]\ncommand = 'env -0 > seen'\nrestart_on_exit = false\nenv_file = '.env'\n"
    )

    ox.done("start")

    pairs = (pair.partition("=") for pair in (ox.folder / "seen").read_text().split("\0"))
    found = {name: value for name, _, value in pairs}
    assert [found[name] for name in "ABCDE"] == [
        "$(touch pwned)",
        "`touch pwned`",
        "1",
        "two\nlines",
        "${HOME}; touch pwned",
    ]
    assert not (ox.folder / "pwned").exists()


def test_s07_only_what_is_written_for_a_shell_is_given_to_one(ox: Ox):
    """An array is executed; a value never becomes a part of a command."""
    evil = "x; touch pwned"
    ox.write(
        f"[processes.array]\ncommand = ['printf', '%s\\n', '{evil}', '$HOME']\n"
        'restart_on_exit = false\n[processes.value]\ncommand = \'printf "%s\\n" "$VALUE"\'\n'
        f"env = {{ VALUE = '{evil}' }}\nrestart_on_exit = false\n"
    )

    ox.done("start")

    assert ox.done("logs", "array") == f"{evil}\n$HOME\n"
    assert ox.done("logs", "value") == f"{evil}\n"
    assert not (ox.folder / "pwned").exists()


def test_s12_programs_and_modules_of_the_folder_are_not_taken_for_ours(ox: Ox):
    for name in ("trio", "json", "oxtrio", "signal", "sitecustomize"):
        ox.write(HIJACK, f"{name}.py")
    for name in ("sh", "python3", "sleep"):
        ox.write(f"#!/bin/sh\ntouch {ox.folder}/hijacked\n", name).chmod(0o755)
    ox.up(SLEEPER)

    ox.done("status")
    ox.done("restart", "a")
    old = ox.supervisor()
    old.kill()
    ox.eventually(lambda: ox.rows() and ox.supervisor() != old, "the next supervisor")

    assert ox.rows()["a"]["status"] == "running"
    assert not (ox.folder / "hijacked").exists()


def test_s13_no_name_reason_or_command_steers_a_terminal(ox: Ox):
    """Of an app, of its tags, of what it says of itself, and of the file that is not there."""
    evil = "\\u001b]0;pwned\\u0007\\u009b31m\\u202e\\r"
    ox.up(
        f'[processes.a]\ncommand = "/no/such/{evil}"\nrestart_delay_ms = 3600000\n'
        f'[processes.b]\ncommand = ["sh", "-c", "echo up; exec sleep 3600", "{evil}"]\n'
        f'description = "{evil}"\nhealth_check = {{ log_line = "up" }}\n',
        "canary",
    )
    ox.write((ox.folder / "oxfile.toml").read_text())
    ox("start")

    for words in (("status",), ("why", "a"), ("why", "b"), ("events",), ("logs",)):
        text = re.sub(r"\x1b\[[0-9;]*m", "", shown_on_a_terminal(ox, *words))
        assert "pwned" in text or words != ("why", "a")
        assert not CONTROL.search(text), (words, text)


def test_s15_nobody_listens_on_the_network(ox: Ox):
    ox.up(SLEEPER)

    ours = [ox.supervisor(), ox.keeper()]

    assert [each.net_connections("inet") for each in ours] == [[], []]


def test_s16_a_traceback_shows_code_and_no_values(ox: Ox):
    """Of a command, where its user asks for it; that of the supervisor is Python's own, too."""
    bug = (
        "import sys\nfrom oxtrio.cli import main, target\n"
        "def config(self):\n    secret = 'sk-' + 'local-7f3a'\n    return secret[99]\n"
        "target.Target.config = config\nsys.argv[1:] = ['validate']\nsys.exit(main.main())\n"
    )
    ox.write(SLEEPER)
    environ = {**ox.environ, "API_KEY": "sk-inherited-7f3a", "OXTRIO_DEBUG": "1"}

    ended = subprocess.run(
        [sys.executable, "-c", bug],
        cwd=ox.folder,
        env=environ,
        capture_output=True,
        text=True,
    )

    assert "IndexError" in ended.stderr
    assert "sk-" not in ended.stderr.replace("'sk-' + 'local-7f3a'", "")


def test_s18_a_pattern_without_end_is_given_up_and_holds_nobody_up(ox: Ox):
    endless, line = "(a|aa)+$", "a" * 60 + "!"
    ox.up(
        f"[processes.talks]\ncommand = 'while echo {line}; do sleep 0.1; done'\nstart_secs = 0\n"
        f"[processes.waits]\ncommand = 'echo {line}; sleep 3600'\nmax_restarts = 1\n"
        f"health_check = {{ log_line = '{endless}' }}\n",
        "talks",
        "canary",
    )
    ox.content("h/state/" + ox.state.name + "/logs/talks.log")

    for words in (("logs", "talks"), ("logs", "-f", "-n", "0")):
        said = ox.refused(2, *words, "--grep", endless)
        assert "takes longer than" in said
        assert "hint: make it simpler" in said
    ox.refused(1, "start", "waits")

    assert "its log_line: looking for" in ox.becomes("waits", "crashed")["reason"]
    assert ox.rows()["talks"]["restarts"] == 0
