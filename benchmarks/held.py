"""What it costs a server that its socket is held by a supervisor."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from benchmarks import wrk
from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.listeners import is_held
from benchmarks.load import start
from benchmarks.peers.alone import Alone
from benchmarks.peers.oxtrio import Oxtrio
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import OURS, compare
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.webapp import MANNERS, SERVERS, Site, serving

QUIET = replace(SERVERS[0], argv=(*SERVERS[0].argv, "--no-access-log"))


def measure(bench: Bench) -> Table:
    seconds, rounds = (1, 5) if bench.quick else (2, 15)
    table = Table(
        "A held socket",
        "uvicorn as in the articles, but without its access log, so that it is about the socket; "
        f"eight clients at full speed by {_by_what()}, {rounds} rounds of {seconds} s in each of "
        "which the sides take turns while the others are idle. Not held: by oxtrio, with "
        "`hold_port = false`. CPU: of the server, which depends least on what else the machine "
        "does. Ratio: oxtrio / beside.",
    )
    peers = {OURS: bench.ours, "not held": Oxtrio(holds=False), "by hand": Alone()}
    with ExitStack() as stack:
        sites = {name: stack.enter_context(serving(peer, QUIET)) for name, peer in peers.items()}
        for name, site in sites.items():
            if is_held(site) != (name == OURS):
                raise Failed(f"{name}: the socket is {'held' if name != OURS else 'not held'}")
        compare(
            table, rounds, {name: partial(_drive, site, seconds) for name, site in sites.items()}
        )
    return table


def _by_what() -> str:
    return "`wrk`" if wrk.is_there() else "`benchmarks/load.py`"


def _drive(site: Site, seconds: float) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for manner, keep in MANNERS.items():
        before = cpu_seconds(site.processes())
        rate, p50, p99 = _speed(site, keep, seconds)
        cpu = cpu_seconds(site.processes()) - before
        found[f"{manner}, rate"] = Value(rate, "/s")
        found[f"{manner}, p50"] = duration(p50)
        found[f"{manner}, p99"] = duration(p99)
        found[f"{manner}, CPU of 1,000"] = duration(1000 * cpu / (rate * seconds))
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
