"""K04-K06, K09, K10, K16: what is remembered is damaged, stale, or of another time."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from tests.e2e.kit import CANARY, Ox
from tests.e2e.processes import alive
from tests.faults.invariants import never_two

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
ROUNDS = 6


def followed(ox: Ox, old: psutil.Process) -> bool:
    """Whether another supervisor than *old* answers."""
    with suppress(OSError, HTTPException, ValueError):
        return ox.supervisor() != old
    return False


def test_k04_killed_while_it_writes_down_what_is_wanted_it_always_comes_back_knowing_it(ox: Ox):
    ox.up(SLEEPER + SLEEPER.replace(".a]", ".b]"))
    chance = random.Random()
    with never_two(ox, "a", "b", "canary"):
        for number in range(ROUNDS):
            orders = [ox.foreground("restart", "a"), ox.foreground("scale", f"b={2 + number % 2}")]
            time.sleep(chance.uniform(0.1, 0.4))
            old = ox.supervisor()
            old.send_signal(signal.SIGKILL)
            ox.eventually(lambda old=old: followed(ox, old), "the next supervisor")
            for each in orders:
                each.ends()
            assert {"a", "canary"} < ox.rows().keys()
            ox.becomes("a", "running")

    ox.done("scale", "b=1")
    ox.done("restart", "a")
    kept = {"state.json", "events.ndjson", "logs", "supervisor.log"}
    ox.eventually(lambda: {each.name for each in ox.state.iterdir()} <= kept, "it to be tidied up")
    ox.done("stop")
    assert ox.ours() == []


def truncated(part: float) -> Callable[[Path], object]:
    return lambda path: os.truncate(path, int(path.stat().st_size * part))


def of_format_99(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": truncated(0),
    "cut in half": truncated(0.5),
    "without its end": truncated(0.99),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "of another program": lambda path: path.write_text('{"version": 999}'),
    "of a later version": of_format_99,
    "of wrong types": lambda path: path.write_text('{"format": 1, "boot_id": -1, "apps": "x"}'),
    "200 MB": lambda path: os.truncate(path, 200_000_000),
    "a folder": a_folder,
    "a link": a_link,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_k05_k09_state_that_makes_no_sense_is_set_aside_and_what_runs_is_adopted(
    ox: Ox, damage: str
):
    ox.write(SLEEPER + CANARY)
    ox.done("start")
    before = {name: row["pid"] for name, row in ox.rows().items()}
    state = ox.state / "state.json"
    ox.eventually(state.exists, "it to be written")
    with never_two(ox, "a", "canary"):
        ox.crash()
        DAMAGE[damage](state)

        ox.done("start")

        assert {name: row["pid"] for name, row in ox.rows().items()} == before
    said = (ox.state / "supervisor.log").read_text().splitlines()
    [warning] = [line for line in said if "state.json" in line]
    if damage == "a folder":
        assert "cannot read" in warning
        state.rmdir()
    else:
        [aside] = ox.state.glob("state.json.corrupt-*")
        assert str(aside) in warning
        aside.unlink()
    assert Path("/etc/passwd").exists()
    ox.done("stop", "a")
    assert '"wanted":false' in state.read_text()
    ox.done("stop")
    assert ox.ours() == []


def test_k05_records_that_name_others_hit_nobody(ox: Ox):
    """Of a stranger, and of init."""
    ox.write(SLEEPER + SLEEPER.replace(".a]", ".b]"))
    ox.done("start")
    left = [row["pid"] for row in ox.rows().values()]
    stranger = psutil.Popen(["sleep", "3600"])
    try:
        ox.crash()
        pids = [stranger.pid, 1]
        for path, pid in zip((ox.runtime / "runs").glob("*.json"), pids, strict=True):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": pid}))

        ox.done("start")

        for name in "ab":
            ox.becomes(name, "running")
        assert not any(map(alive, left)), "found by the mark that they carry"
        assert alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_k06_what_a_dead_supervisor_has_left_is_in_nobodys_way(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    old = ox.pid("a")
    ox.crash()
    bystander = psutil.Popen(["sleep", "3600"])
    try:
        (ox.runtime / "keeper.lock").write_text(f"{bystander.pid}\n")
        described = ox.runtime / "project.json"
        text = json.loads(described.read_text()) | {"pid": bystander.pid}
        described.write_text(json.dumps(text))

        ox.refused(3, "status")
        ox.done("start")

        assert ox.pid("a") == old
        ox.done("stop")
        assert bystander.is_running()
        assert bystander.status() != psutil.STATUS_ZOMBIE
    finally:
        bystander.kill()
        bystander.wait()


def test_k10_after_a_reboot_nothing_is_adopted_and_no_pid_means_anything(ox: Ox):
    ox.write(SLEEPER + SLEEPER.replace(".a]", ".b]"))
    ox.done("start")
    ox.done("stop", "b")
    app = ox.pid("a")
    ox.crash()
    os.kill(app, signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "3600"])
    try:
        for path in (*(ox.runtime / "runs").glob("*.json"), ox.state / "state.json"):
            said = json.loads(path.read_text()) | {"boot_id": "0" * 32}
            if "pid" in said:  # the same by chance, to the very tick
                said |= {"pid": stranger.pid, "started": ticks_of(stranger.pid)}
            path.write_text(json.dumps(said))

        ox.done("start")

        assert ox.rows()["a"]["status"] == "running"
        assert ox.pid("a") not in (app, stranger.pid)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def ticks_of(pid: int) -> int:
    """When it was started, in clock ticks since boot."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
