"""Output: how fast it is kept, whether all of it is, and who waits for it."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.api import ask, wait_answer
from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.peers.peer import Peer
from benchmarks.processes import cpu_seconds, descendants, end_descendants
from benchmarks.rounds import OURS, compare
from benchmarks.session import Session, session
from benchmarks.table import Table
from benchmarks.traffic import WRITER, Course, Traffic, follow, misplaced
from benchmarks.value import Value, median, percentile
from benchmarks.workload import App


def measure(bench: Bench) -> list[Table]:
    scale = 10 if bench.quick else 1
    big = Traffic(lines=2_000_000 // scale, length=100, per_write=655)
    small = Traffic(lines=500_000 // scale, length=30, per_write=1)
    return [
        _measure(bench, big, f"Logs: {big.megabytes:g} MB from one writer", "64 KiB"),
        _measure(bench, small, f"Logs: {small.lines:,} small lines", "one line"),
    ]


def _measure(bench: Bench, traffic: Traffic, title: str, piece: str) -> Table:
    table = Table(
        title,
        f"Numbered lines of {traffic.length} bytes, {piece} with each `write`, logs rotated at 100 "
        "MiB. Rates: until the last `write` has returned, and until the log is complete. "
        "Misplaced: lines lost, doubled or out of order. Ratio: oxtrio / beside.",
    )
    sides: dict[str, Callable[[], Mapping[str, Value]]] = {
        OURS: partial(_supervised, bench.ours, traffic),
        "> file": partial(_redirected, traffic, through_cat=False),
        "| cat > file": partial(_redirected, traffic, through_cat=True),
        **{peer.name: partial(_supervised, peer, traffic) for peer in bench.peers},
    }
    compare(table, 1 if bench.quick else 3, sides)
    return table


def _supervised(peer: Peer, traffic: Traffic) -> Mapping[str, Value]:
    with session(peer, partial(_workload, traffic)) as started:
        report = started.folder / "report"
        log = started.setup.logs[WRITER]
        quiet = _quiet(started)
        own = _Clock(started)
        asked: list[float] = []
        course = follow(report, log, partial(_ask, started, asked))
        found = _figures(traffic, course, log)
        found["CPU of the supervisor"] = Value(own.seconds() * 1000, "ms")
        if asked:
            found["status meanwhile, median"] = median(asked)
            found["status meanwhile, worst"] = percentile(asked, 100)
            found["status before, median"] = median(quiet)
    return found


def _redirected(traffic: Traffic, *, through_cat: bool) -> Mapping[str, Value]:
    folder = Path(tempfile.mkdtemp(prefix="oxb-"))
    try:
        log, report = folder / "log", folder / "report"
        with log.open("wb") as file:
            cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
            target = cat.stdin if through_cat else file
            subprocess.Popen(traffic.argv(report), stdout=target)
            assert cat.stdin is not None
            cat.stdin.close()
        return _figures(traffic, follow(report, log), log)
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def _figures(traffic: Traffic, course: Course, log: Path) -> dict[str, Value]:
    wrote, complete = course.ended - course.began, course.complete - course.began
    return {
        "rate of the writer": Value(traffic.megabytes / wrote, "MB/s"),
        "rate until complete": Value(traffic.megabytes / complete, "MB/s"),
        "lines misplaced": Value(misplaced(log, traffic.lines), ""),
    }
