"""What it costs a server that its socket is held by a supervisor."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from benchmarks import wrk
from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.load import start
from benchmarks.peers.alone import Alone
from benchmarks.peers.oxtrio import Oxtrio
from benchmarks.rounds import OURS, compare
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.webapp import MANNERS, SERVERS, Site, serving


def measure(bench: Bench) -> Table:
    seconds, rounds = (2, 2) if bench.quick else (5, 7)
    table = Table(
        "A held socket",
        f"uvicorn as in the articles, eight clients at full speed by {_by_what()}, {rounds} rounds "
        f"of {seconds} s in each of which the sides take turns while the others are idle. By hand, "
        "its output goes straight into a file; oxtrio reads it from a pipe, also where it does not "
        "hold the socket (`hold_port = false`). Ratio: oxtrio / beside.",
    )
    peers = {OURS: bench.ours, "not held": Oxtrio(holds=False), "by hand": Alone()}
    with ExitStack() as stack:
        sites = {
            name: stack.enter_context(serving(peer, SERVERS[0])) for name, peer in peers.items()
        }
        compare(
            table, rounds, {name: partial(_drive, site, seconds) for name, site in sites.items()}
        )
    return table


def _by_what() -> str:
    return "`wrk`" if wrk.is_there() else "`benchmarks/load.py`"


def _drive(site: Site, seconds: float) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for manner, keep in MANNERS.items():
        rate, p50, p99 = _speed(site, keep, seconds)
        found[f"{manner}, rate"] = Value(rate, "/s")
        found[f"{manner}, p50"] = duration(p50)
        found[f"{manner}, p99"] = duration(p99)
    return found


def _speed(site: Site, keep: bool, seconds: float) -> tuple[float, float, float]:
    """Answers per second; the median and the 99th percentile of the latency in seconds."""
    if wrk.is_there():
        return wrk.drive(f"http://{site.address}/", keep_alive=keep, seconds=seconds)
    with start(site.load(keep_alive=keep)) as load:
        load.wait_answers(50)
        began = time.monotonic()
        time.sleep(seconds)
        outcome = load.stop().between(began, began + seconds)
    if outcome.failures:
        raise Failed(f"of {outcome.ok} requests failed: {outcome.failed}")
    return outcome.rate, outcome.p50, outcome.p99
