"""A new release of a web app that is in full use: who is refused, who fails, and for how long."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from benchmarks.bench import Bench
from benchmarks.load import start
from benchmarks.outcome import Outcome, Record
from benchmarks.peers.peer import Peer
from benchmarks.sheet import Cells, fill, sheet
from benchmarks.table import Table
from benchmarks.value import duration, median
from benchmarks.webapp import MANNERS, NAME, SERVERS, Server, Site, serving, sides

CALM = 0.5
"""Seconds between reloads, for what belongs to the last one to show itself."""


def measure(bench: Bench) -> Table:
    count = 3 if bench.quick else 20
    table = sheet(
        bench,
        "Reload under load",
        f"{count} reloads while eight clients ask at full speed. A client that failed waits 10 ms, "
        "so failures are about as many as a client's that tries again at once. Raced closes: "
        "requests that were sent on a kept connection and met its close, which HTTP lets a "
        "server do. Gap: the longest time without a right answer from anyone, in each reload. "
        "SIGHUP is for gunicorn run by hand; supervisor restarts; circus reloads, with "
        "`uvicorn --fd` and `gunicorn --bind fd://` where it holds the sockets. All others run "
        "the same command, as in the articles.",
    )
    for server, (manner, keep) in product(SERVERS, MANNERS.items()):
        title = f"{server.name}, {manner}"
        measures = {
            name: partial(_reloads, table, peer, server, keep, count)
            for name, peer in sides(bench, server).items()
        }
        fill(table, bench, title, measures)
    return table


@dataclass(frozen=True, slots=True)
class Reload:
    """One reload: when it began and was over (monotonic), and how long its command took."""

    began: float
    over: float
    command: float
    took_effect: bool


def _reloads(table: Table, peer: Peer, server: Server, keep: bool, count: int) -> Cells:
    with serving(peer, server) as site, start(site.load(keep_alive=keep)) as load:
        load.wait_answers(100)
        done: list[Reload] = []
        for number in range(2, count + 2):
            done.append(_reload(site, str(number)))
            load.wait_answers(100)
            time.sleep(CALM)
        record = load.stop()
    idle = sum(not each.took_effect for each in done)
    if idle:
        table.note(f"{server.name}: {idle} of {count} reloads of {peer.name} had no effect")
    return _cells(record, done, keep)


def _reload(site: Site, name: str) -> Reload:
    site.release(name)
    began = time.monotonic()
    site.started.reload(NAME)
    took = time.monotonic() - began
    took_effect = site.wait_release(name, within=15)
    return Reload(began, time.monotonic() + CALM, took, took_effect)


def _cells(record: Record, done: Sequence[Reload], keep: bool) -> Cells:
    whole = record.whole
    gaps = [record.between(each.began, each.over).gap for each in done]
    races = {"raced closes": f"{whole.raced_close:,}"} if keep else {}
    return {
        "answered": f"{whole.ok:,}",
        "failed": f"{whole.failures:,}",
        "of them": kinds(whole),
        **races,
        "gap, median": str(median(gaps)),
        "gap, worst": str(duration(max(gaps))),
        "slowest answer": str(duration(whole.longest)),
        "command, median": str(median([each.command for each in done])),
    }


def kinds(*outcomes: Outcome) -> str:
    """How many failed in which way."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.failed)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common()) or "-"
