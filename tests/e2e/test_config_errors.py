"""What is wrong with an oxfile, or with a command line, is said at once; nothing is touched."""

import json
import os
import re

import pytest

from tests.e2e.kit import NOBODY, Ox, needs_root

pytestmark = pytest.mark.slow

WRONG = """\
[processes.web]
comand = "uvicorn main:app"
instances = 0

[processes.worker]
command = "celery -A tasks worker"
depends_on = ["wbe"]
stop_timeout_ms = "30s"
max_restarts = true
stop_signal = "SIGNOTHING"
"""


def problems(ox: Ox, said: str) -> list[int]:
    """The lines of the oxfile that *said* names."""
    return [int(line) for line in re.findall(rf"(?m)^{ox.folder}/oxfile.toml:(\d+): ", said)]


def test_every_problem_is_shown_at_once_with_its_line_and_nothing_starts(ox: Ox):
    ox.write(WRONG)

    for command in ("validate", "start", "run"):
        said = ox.refused(2, command)

        assert problems(ox, said) == [1, 2, 3, 7, 8, 9, 10]
        assert "did you mean command?" in said
        assert "did you mean web?" in said
    assert ox.ours() == []


def test_what_is_not_supported_yet_is_refused_never_ignored(ox: Ox):
    ox.write(
        '[processes.web]\ncommand = "true"\nwatch = true\nschedule = "@daily"\n'
        'cron_restart = "@daily"\nwebhook = {}\ntty = true\npre_start = "true"\n'
        '[processes.web.limits]\nmax_tasks = 9\n[http]\nlisten = "127.0.0.1:1"\n'
    )

    said = ox.refused(2, "start")

    assert problems(ox, said) == [3, 4, 5, 6, 7, 8, 10, 11]
    assert said.count("not supported yet") == 8


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b'[processes.a]\ncommand = "x', "oxfile.toml:2"),
        (b"[processes.a]\ncommand = '\xff'\n", "UTF-8"),
        (b'[processes.a]\ncommand = "a\\u0000b"\n', "oxfile.toml:2"),
        (b"", "processes"),
        (b'[processes.a]\ncommand = ""\n', "oxfile.toml:2"),
        (b"[processes.a]\ncommand = 'x'\nstart_secs = nan\n", "oxfile.toml:3"),
        (b"[processes.a]\ncommand = 'x'\n[processes.A]\ncommand = 'x'\n", "oxfile.toml:3"),
        (b"[processes.all]\ncommand = 'x'\n", "all"),
        (b"[processes.a]\ncommand = 'x'\ndepends_on = ['a']\n", "itself"),
        (
            b"[processes.a]\ncommand = 'x'\ndepends_on = ['b']\n"
            b"[processes.b]\ncommand = 'x'\ndepends_on = ['a']\n",
            "a -> b -> a",
        ),
        (b"[processes.a]\ncommand = 'x'\n[processes.a.env]\nX = '${NOT_THERE_}'\n", "NOT_THERE_"),
        (
            b"[processes.a]\ncommand = 'x'\nlog_file = 'l'\n"
            b"[processes.b]\ncommand = 'x'\nlog_file = './l'\n",
            "log_file",
        ),
        (b"a = " + b"[" * 100_000, "oxfile.toml"),
    ],
)
def test_bad_files_are_refused_with_the_place(ox: Ox, text: bytes, named: str):
    ox.write("").write_bytes(text)

    said = ox.refused(2, "validate")

    assert named in said


def test_windows_lines_and_a_byte_order_mark_are_fine(ox: Ox):
    ox.write("").write_bytes(b'\xef\xbb\xbf[processes.a]\r\ncommand = "true"\r\n')

    assert "✓ oxfile.toml is valid" in ox.done("validate")


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(ox: Ox):
    os.mkfifo(ox.folder / "fifo")
    (ox.folder / "loop").symlink_to("loop")

    for name in ("fifo", "loop", ".", "/dev/zero", "missing.toml"):
        assert name in ox.refused(2, "-c", name, "start")


def test_valid_names_what_is_there_and_strict_makes_missing_things_errors(ox: Ox):
    ox.write(
        '[processes.api]\ncommand = "no-such-program-of-ours --port 1"\nstop_timeout_ms = 30000\n'
        '[processes.worker]\ncommand = "true"\nworking_dir = "missing"\n'
    )

    ended = ox("validate")

    assert ended.returncode == 0
    assert "2 processes defined: api, worker" in ended.stdout
    assert "30 s" in ended.stdout
    assert "no-such-program-of-ours" in ended.stderr
    assert "missing" in ended.stderr
    assert "no-such-program-of-ours" in ox.refused(2, "validate", "--strict")


def test_a_missing_program_of_a_venv_is_found_and_the_line_to_add_is_told(ox: Ox):
    program = ox.write("#!/bin/sh\nexec sleep 3600\n", ".venv/bin/ourserver")
    program.chmod(0o755)
    ox.write('[processes.web]\ncommand = "ourserver --port 1"\nrestart_on_exit = false\n')

    assert 'venv = ".venv"' in ox("validate").stderr
    ox("start")
    assert 'venv = ".venv"' in ox.done("why", "web")


def test_wrong_usage_is_2_and_an_unknown_app_is_4(ox: Ox):
    ox.write('[processes.api]\ncommand = "true"\n')

    assert "start" in ox.refused(2, "strat").split("hint:")[1]
    ox.refused(2, "start", "--no-such-option")
    ox.refused(2, "status", "--watch", "--json-logs")
    ox.refused(2, "logs", "--since", "yesterday-ish")
    ox.refused(2, "run", "--")
    assert "api" in ox.refused(4, "start", "apo").split("hint:")[1]
    assert ox.ours() == []


@needs_root
def test_a_user_who_is_not_root_cannot_become_somebody_else_or_exceed_limits(ox: Ox):
    ox.write(
        '[processes.a]\ncommand = "true"\nuser = "daemon"\n'
        '[processes.b]\ncommand = "true"\nnice = -5\n'
        '[processes.c]\ncommand = "true"\noom_score_adj = -500\n'
        '[processes.d]\ncommand = "true"\n[processes.d.rlimits]\nnofile = "unlimited"\n'
    )
    os.chown(ox.folder, 65534, 65534)

    said = ox.refused(2, "start", prefix=NOBODY)

    assert problems(ox, said) == [3, 6, 9, 13]
    assert ox.ours() == []


@needs_root
def test_a_user_that_does_not_exist_is_refused_before_anything_starts(ox: Ox):
    ox.write('[processes.a]\ncommand = "sleep 3600"\nuser = "nobody-of-that-name"\n')

    assert "nobody-of-that-name" in ox("validate").stderr
    said = ox.refused(1, "start")
    assert "nobody-of-that-name" in said
    assert not [each for each in ox.ours() if each.name() == "sleep"]


@needs_root
def test_what_runs_as_root_without_saying_so_is_named_in_one_warning(ox: Ox):
    ox.write(
        '[processes.a]\ncommand = "true"\n[processes.b]\ncommand = "true"\n'
        '[processes.c]\ncommand = "true"\nuser = "nobody"\n'
    )

    [warning] = re.findall("(?m)^warning: (.*root.*)$", ox("validate").stderr)

    assert re.findall(r"\b[abc]\b", warning) == ["a", "b"]


def test_the_schema_is_json_and_the_version_is_told(ox: Ox):
    schema = json.loads(ox.done("schema"))

    assert "processes" in schema["properties"]
    assert re.fullmatch(r"oxtrio \d+\.\d+\.\d+\S*\n", ox.done("--version"))
