"""Output: how fast it is kept, whether all of it is, and who waits for it."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.announcements import Announcements
from benchmarks.api import ask
from benchmarks.bench import Bench
from benchmarks.peers.peer import Api, Peer
from benchmarks.processes import cpu_seconds, end_descendants
from benchmarks.rounds import OURS, Measure, compare
from benchmarks.session import session
from benchmarks.table import Table
from benchmarks.traffic import WRITER, Course, Traffic, follow, misplaced
from benchmarks.value import Value, duration, median, percentile

REQUESTS = 50


def measure_big(bench: Bench) -> Table:
    traffic = Traffic(lines=200_000 if bench.quick else 2_000_000, length=100, per_write=655)
    title = f"Logs: {traffic.megabytes:g} MB from one writer"
    return _measure(bench, traffic, title, "64 KiB")


def measure_small(bench: Bench) -> Table:
    traffic = Traffic(lines=50_000 if bench.quick else 500_000, length=30, per_write=1)
    return _measure(bench, traffic, f"Logs: {traffic.lines:,} small lines", "one line")


def _measure(bench: Bench, traffic: Traffic, title: str, piece: str) -> Table:
    about = (
        f"Numbered lines of {traffic.length} bytes, {piece} with each `write`, logs rotated at "
        "100 MiB. Rates: until the last `write` has returned, and until the log is complete. "
        "Misplaced: lines that do not stand behind the one that they follow. "
        "Status: requests to the control socket. Ratio: oxtrio / beside."
    )
    keeping = [peer for peer in bench.peers if peer.keeps_logs]
    sides: dict[str, Measure] = {
        OURS: partial(_supervised, bench.ours, traffic),
        "straight into a file": partial(_redirected, traffic, through_cat=False),
        "by cat into a file": partial(_redirected, traffic, through_cat=True),
        **{peer.name: partial(_supervised, peer, traffic) for peer in keeping},
    }
    table = Table(title, about)
    for peer in bench.peers:
        if not peer.keeps_logs:
            table.note(f"{peer.name} writes no logs")
    compare(table, 1 if bench.quick else 3, sides)
    return table


def _supervised(peer: Peer, traffic: Traffic) -> Mapping[str, Value]:
    with session(peer, traffic.apps) as started:
        log, api = started.setup.logs[WRITER], started.setup.api
        started.said.expect(1)
        calm = _requests(api, REQUESTS)
        own = started.own_processes()
        before = cpu_seconds(own)
        busy: list[float] = []
        course = follow(started.folder, log, lambda: busy.extend(_requests(api, 1)))
        found = _figures(traffic, course, log)
        found["CPU of the supervisor"] = duration(cpu_seconds(own) - before)
        if busy:
            found["status before it, median"] = median(calm)
            found["status meanwhile, median"] = median(busy)
            found["status meanwhile, worst"] = percentile(busy, 100)
    return found


def _requests(api: Api | None, count: int) -> list[float]:
    return [] if api is None else [ask(api) for _ in range(count)]


def _redirected(traffic: Traffic, *, through_cat: bool) -> Mapping[str, Value]:
    folder = Path(tempfile.mkdtemp(prefix="oxb-"))
    try:
        log = folder / "log"
        with Announcements(folder / "said") as said:
            [app] = traffic.apps(said.path)
            _write([*app.argv], log, through_cat)
            said.expect(1)
            return _figures(traffic, follow(folder, log), log)
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def _write(argv: list[str], log: Path, through_cat: bool) -> None:
    with log.open("wb") as file:
        if not through_cat:
            subprocess.Popen(argv, stdout=file)
            return
        writer = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer.stdout as output:
            subprocess.Popen(["cat"], stdin=output, stdout=file)


def _figures(traffic: Traffic, course: Course, log: Path) -> dict[str, Value]:
    wrote, complete = course.ended - course.began, course.complete - course.began
    return {
        "rate of the writer": Value(traffic.megabytes / wrote, "MB/s"),
        "rate until complete": Value(traffic.megabytes / complete, "MB/s"),
        "lines misplaced": Value(misplaced(log, traffic.lines), ""),
    }
