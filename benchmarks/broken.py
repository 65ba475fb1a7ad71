"""A release that does not work is put into service: who answers meanwhile, and who says so."""

import time
from functools import partial
from itertools import product

from benchmarks.bench import Bench
from benchmarks.load import start
from benchmarks.outcome import Outcome
from benchmarks.peers.peer import Peer
from benchmarks.sheet import Cells, fill, sheet
from benchmarks.table import Table
from benchmarks.value import duration
from benchmarks.webapp import FIRST, NAME, SERVERS, Server, serving, sides

RELEASES = {
    "exits at import": "exits",
    "fails its health check": "unhealthy",
    "never answers": "silent",
}
AFTERWARDS = 3.0
"""Seconds that are still watched when the command has ended."""


def measure(bench: Bench) -> Table:
    table = sheet(
        bench,
        "A broken release",
        "One reload while eight clients ask at full speed, from the command until 3 s after its "
        "end; `ready_timeout_secs = 10`. A client gives an answer up after 10 s, and one that "
        "failed waits 10 ms: where the clients hang there are few requests, so see also the "
        "longest time without an answer of the old release, which is the only good one.",
    )
    servers = [server for server in SERVERS if server.name in ("uvicorn", "gunicorn sync")]
    for server, (what, release) in product(servers, RELEASES.items()):
        measures = {
            name: partial(_break, peer, server, release)
            for name, peer in sides(bench, server).items()
        }
        fill(table, bench, f"{server.name}: it {what}", measures)
    return table


def _break(peer: Peer, server: Server, release: str) -> Cells:
    with serving(peer, server) as site, start(site.load(keep_alive=False)) as load:
        load.wait_answers(100)
        site.release(release)
        began = time.monotonic()
        code = site.started.reload(NAME)
        took = time.monotonic() - began
        time.sleep(AFTERWARDS)
        until = time.monotonic()
        answers = site.who(patience=3)
        ended = site.started.server.poll()
        record = load.stop()
    # What was under way at the end is a failure too if it fails.
    during = record.between(began, max(until, record.at[-1] + 1e-6))
    without = record.longest_without(FIRST, began, until)
    return {
        "requests that the old one answered": _share(during),
        "longest time without the old one": str(duration(without)),
        "failed": f"{during.failures:,}",
        "exit code": _code(code, ended),
        "command": str(duration(took)),
        "then answers": "nobody" if answers is None else _name(answers[0]),
    }


def _share(during: Outcome) -> str:
    old = during.releases.get(FIRST, 0)
    share = 100 * old / max(1, during.ok + during.failures)
    # Not one may be lost in rounding.
    return "100 %" if old == during.ok + during.failures else f"{min(share, 99.99):.2f} %"


def _code(code: int | None, ended: int | None) -> str:
    """Of the command; where a signal does it nobody is told, but the server itself may end."""
    if code is not None:
        return str(code)
    return "none" if ended is None else f"none: the server ended with {ended}"


def _name(release: str) -> str:
    return "the old one" if release == FIRST else "the broken one"
