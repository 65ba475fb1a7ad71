"""Everything of a web app is killed while it is in full use."""

import os
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from signal import SIGKILL

from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.load import start
from benchmarks.outcome import Record
from benchmarks.peers.peer import Peer
from benchmarks.processes import descendants
from benchmarks.reload import kinds
from benchmarks.rounds import OURS
from benchmarks.sheet import Cells, fill, sheet
from benchmarks.table import Table
from benchmarks.value import duration, median
from benchmarks.webapp import FIRST, MANNERS, SERVERS, Server, Site, serving, sides

CALM = 1.5
"""Seconds between kills: supervisor takes what ends sooner for something that never ran."""


def measure(bench: Bench) -> Table:
    kills = 2 if bench.quick else 5
    table = sheet(
        bench,
        "Crash under load",
        f"kill -9 of the whole process group of a server, {kills} times, while eight clients ask "
        "at full speed. A client that failed waits 10 ms. Lost: requests that had been sent, "
        "of at most eight at each kill; raced closes are among them. First answer: from the kill "
        "to the first right answer to a request that began after it.",
    )
    servers = SERVERS[::2] if bench.quick else SERVERS
    for server, (manner, keep) in product(servers, MANNERS.items()):
        measures = {
            name: partial(_crash, peer, server, keep, kills)
            for name, peer in sides(bench, server).items()
            if name == OURS or peer.respawns
        }
        fill(table, bench, f"{server.name}, {manner}", measures)
    return table


def _crash(peer: Peer, server: Server, keep: bool, kills: int) -> Cells:
    with serving(peer, server) as site, start(site.load(keep_alive=keep)) as load:
        load.wait_answers(100)
        moments: list[float] = []
        for _ in range(kills):
            time.sleep(CALM)
            moments.append(_kill(site))
            if not site.wait_release(FIRST):
                raise Failed("it has not come back within 60 s")
            load.wait_answers(100)
        record = load.stop()
    return _cells(record, moments)


def _kill(site: Site) -> float:
    """Kill the process group of whoever answers; the moment before."""
    answers = site.who()
    if answers is None:
        raise Failed("nobody answers before the kill")
    group = os.getpgid(answers[1])
    if group in (os.getpgid(0), os.getpgid(site.started.server.pid)):
        raise Failed("it is in the process group of its supervisor")
    if group not in descendants():
        raise Failed(f"the leader of process group {group} is not there")
    at = time.monotonic()
    os.killpg(group, SIGKILL)
    return at


def _cells(record: Record, moments: Sequence[float]) -> Cells:
    whole = record.whole
    refused = whole.failed.get("refused", 0)
    back = [record.first_ok(at) - at for at in moments]
    return {
        "refused": f"{refused:,}",
        "lost, in all": f"{whole.failures - refused + whole.raced_close:,}",
        "of all": kinds(whole),
        "first answer, median": str(median(back)),
        "first answer, worst": str(duration(max(back))),
        "slowest answer": str(duration(whole.longest)),
    }
