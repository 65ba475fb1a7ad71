"""From kill -9 to the next run."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.peers.peer import Peer
from benchmarks.rounds import OURS, compare
from benchmarks.session import Session, session
from benchmarks.table import Table
from benchmarks.value import Value, median, percentile
from benchmarks.workload import App, announcing

PAUSE = 0.15
"""Seconds between kills: what ends ten times in a second is rightly held back."""
ENOUGH = 30.0
"""Seconds after which no further kill begins, however few there have been."""
VICTIM, DEAF, NOISY = "victim", "deaf", "noisy"
LITTLE = 20 * 2**20
"""Bytes of a log that is written at full speed, until it is rotated."""


def measure(bench: Bench) -> Table:
    kills = 5 if bench.quick else 50
    table = Table(
        "Crash to respawn",
        "From kill -9 until the shell of the next run has said that it runs, with "
        f"`restart_delay_ms = 0`: {kills} kills per row, fewer where they take more than 30 s; p99 "
        "is the worst of them. The app that is stopping is deaf to SIGTERM and has 10 s. The plain "
        "loop is `os.wait()`, then `subprocess.Popen`. Ratio: oxtrio / beside.",
    )
    sides = {peer.name: partial(_respawn, peer, kills) for peer in bench.supervisors}
    sides = {OURS: sides.pop(OURS), bench.floor.name: partial(_floor, bench.floor, kills), **sides}
    for peer in bench.peers:
        if not peer.respawns:
            del sides[peer.name]
            table.note(f"{peer.name} starts nothing again: it stops all when one ends")
    compare(table, 1, sides)
    return table


def _respawn(peer: Peer, kills: int) -> Mapping[str, Value]:
    with session(peer, _victim) as started:
        alone = _kills(started, 1, kills)
    with session(peer, _with(DEAF, "deaf.sh")) as started:
        stopping = _while_stopping(started, kills)
    with session(peer, _with(NOISY, "noisy.sh")) as started:
        writing = _kills(started, 2, kills)
    return {
        **_figures("nothing else happens", alone),
        **_figures("another app is stopping", stopping),
        **_figures("another app writes at full speed", writing),
    }


def _floor(peer: Peer, kills: int) -> Mapping[str, Value]:
    with session(peer, _victim) as started:
        alone = _kills(started, 1, kills)
    with session(peer, _with(NOISY, "drained.sh")) as started:
        writing = _kills(started, 2, kills)
    return {
        **_figures("nothing else happens", alone),
        **_figures("another app writes at full speed", writing),
    }


def _while_stopping(started: Session, kills: int) -> list[float]:
    """Kills while an app that is deaf to SIGTERM is given its ten seconds."""
    assert started.setup.stop_one is not None
    started.said.expect(2)
    time.sleep(0.5)
    started.command(started.setup.stop_one(DEAF))
    time.sleep(0.7)
    took: list[float] = []
    while len(took) < kills and started.said.is_alive(DEAF):
        took += _kills(started, 0, 1)
    if not took:
        raise Failed("the app that is deaf to SIGTERM was gone too early")
    return took


def _kills(started: Session, first: int, kills: int) -> list[float]:
    """Seconds from each kill to the next run, after the *first* runs have been heard of."""
    started.said.expect(first)
    took: list[float] = []
    until = time.monotonic() + ENOUGH
    while len(took) < kills and time.monotonic() < until:
        time.sleep(PAUSE)
        at = started.said.kill(VICTIM)
        [run] = started.said.expect(1)
        took.append(run.at - at)
    return took


def _figures(while_: str, took: Sequence[float]) -> dict[str, Value]:
    return {f"{while_}, median": median(took), f"{while_}, p99": percentile(took, 99)}


def _victim(pipe: Path) -> list[App]:
    return [announcing(VICTIM, pipe)]


def _with(name: str, script: str) -> "partial[list[App]]":
    return partial(_two, name, script)


def _two(name: str, script: str, pipe: Path) -> list[App]:
    other = announcing(name, pipe, script)
    return [*_victim(pipe), App(other.name, other.argv, log_bytes=LITTLE)]
