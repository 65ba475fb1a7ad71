"""P09-P15: what cannot be executed is named, retried with patience, and hurts nobody else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.kit import CANARY, Ox, needs_root
from tests.e2e.processes import DEADLINE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ONCE_AN_HOUR = "restart_delay_ms = 3600000\n"


def broken(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = {command}\n{ONCE_AN_HOUR}{keys}"


def test_p09_to_p13_each_obstacle_is_named_and_kept_and_none_is_run_into_again_and_again(ox: Ox):
    """The whole message of each is in tests/system/test_spawn.py."""
    ox.write("#!/bin/sh\n", "p10").chmod(0o644)
    ox.write("echo there is no first line\n", "p11").chmod(0o755)
    ox.write("", "p11-empty").chmod(0o755)
    ox.write("#!/no/such/interpreter\n", "p12").chmod(0o755)
    ox.write("", "p13")
    ox.write(
        broken("p09", '["/no/such/bin", "--x"]')
        + broken("p10", '["./p10"]')
        + broken("p11", '["./p11"]')
        + broken("p11-empty", '["./p11-empty"]')
        + broken("p12", '["./p12"]')
        + broken("p13", '"sleep 3600"', 'working_dir = "missing"\n')
        + broken("p13-file", '"sleep 3600"', 'working_dir = "p13"\n')
        + CANARY
    )
    named = {
        "p09": ["/no/such/bin", "not found"],
        "p10": [f"{ox.folder}/./p10", "not executable"],
        "p11": [f"{ox.folder}/./p11", "no #! line"],
        "p11-empty": [f"{ox.folder}/./p11-empty", "no #! line"],
        "p12": ["/no/such/interpreter", "interpreter"],
        "p13": [f"{ox.folder}/missing", "does not exist"],
        "p13-file": [f"{ox.folder}/p13", "is not a folder"],
    }

    said = ox("start")

    assert said.returncode == 1
    rows = ox.rows()
    for name, words in named.items():
        assert (rows[name]["status"], rows[name]["pid"]) == ("backoff", None)
        for text in (rows[name]["exit"]["reason"], said.stderr):
            assert all(word in text for word in words), (words, text)
    tried = [each["name"] for each in ox.events() if each["state"] == "backoff"]
    assert sorted(tried) == sorted(named), "once each"
    assert rows["canary"]["status"] == "running"


def test_p09_p10_one_command_without_an_oxfile_ends_with_the_codes_of_a_shell(ox: Ox):
    ox.write("#!/bin/sh\n", "tool").chmod(0o644)

    assert "not found" in ox.refused(127, "run", "--", "./missing")
    assert "chmod +x ./tool" in ox.refused(126, "run", "--", "./tool")


def test_p13_a_folder_that_is_made_later_needs_no_operator(ox: Ox):
    ox.write(
        '[processes.a]\ncommand = "sleep 3600"\nworking_dir = "later"\nstart_secs = 0\n'
        "restart_delay_ms = 50\nmax_restarts = 0\n"
    )
    ox.refused(1, "start")

    (ox.folder / "later").mkdir()

    assert ox.becomes("a", "running")["restarts"] > 0


AS_NOBODY = """
import os, sys
from oxtrio.system.spawn import Launch, spawn
from oxtrio.system.descriptors import FileLimit

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
spawn(Launch(argv=("/bin/true",), cwd=sys.argv[1], env={}, stdout=1, stderr=2), FileLimit())
"""


@needs_root
def test_p13_a_folder_that_may_not_be_entered_is_named_and_not_the_program(ox: Ox):
    closed = ox.folder / "closed"
    closed.mkdir(mode=0o700)
    ox.folder.chmod(0o755)

    argv = [sys.executable, "-c", AS_NOBODY, str(closed)]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE).stderr

    assert f"SpawnFailed: working_dir '{closed}' may not be entered: permission denied" in said


def test_p15_what_no_kernel_takes_is_refused_with_its_line_before_anything_starts(ox: Ox):
    ox.write(
        '[processes.nul]\ncommand = "true"\nenv = { A = "a\\u0000b" }\n'
        '[processes.equals]\ncommand = "true"\nenv = { "A=B" = "1" }\n'
        '[processes.empty]\ncommand = ""\n'
        f'[processes.long]\ncommand = ["echo", "{"x" * 200_000}"]\n'
    )

    said = ox.refused(2, "start")

    lines = re.findall(rf"(?m)^{ox.folder}/oxfile.toml:(\d+): (.*)", said)
    assert [int(line) for line, _ in lines] == [3, 6, 8, 10]
    assert "x" * 1000 not in said
    assert ox.ours() == []
