"""`oxtrio doctor` at a project that runs, that does not run, and that does not answer."""

import json
import signal

import pytest

from tests.e2e.kit import Ox

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def test_it_says_what_is_and_what_would_be(ox: Ox):
    ox.write(SLEEPER)
    before = ox.done("doctor")
    ox.done("start")
    meanwhile = ox.done("doctor")
    ox.done("stop")

    assert "none runs; what follows would be in force" in before
    assert "answers, version" in meanwhile
    assert "✓ keeper" in meanwhile
    assert "✓ state" in before


def test_a_supervisor_that_stands_still_is_named_with_what_continues_it(ox: Ox):
    ox.up(SLEEPER)
    supervisor = ox.supervisor()
    supervisor.send_signal(signal.SIGSTOP)
    try:
        ended = ox("doctor", "--json")
    finally:
        supervisor.send_signal(signal.SIGCONT)

    rows = {row["subject"]: row for row in json.loads(ended.stdout)}
    assert ended.returncode == 1
    assert rows["supervisor"]["hint"] == f"kill -CONT {supervisor.pid}"
    assert {row["verdict"] for row in rows.values()} >= {"good", "wrong"}


def test_a_broken_oxfile_does_not_keep_it_from_looking_at_what_runs(ox: Ox):
    ox.up(SLEEPER)
    ox.write("[processes.a]\ncomand = 1\n")

    ended = ox("doctor")

    assert ended.returncode == 1
    assert "✗ oxfile" in ended.stdout
    assert "✓ supervisor" in ended.stdout
    ox.write(SLEEPER)
