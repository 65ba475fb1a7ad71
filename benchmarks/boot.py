"""From the command to a supervisor that works."""

import time
from collections.abc import Mapping
from functools import partial

from benchmarks.api import wait_answer
from benchmarks.bench import Bench
from benchmarks.interpreter import run_time
from benchmarks.peers.peer import Peer
from benchmarks.rounds import OURS, Measure, compare
from benchmarks.session import session
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.workload import quiet

START = "`start` with one app, until it returns"
CONTROL = "in the foreground, until control answers"
APP = "in the foreground, until the app runs"
FLOORS = ("pass", "import trio, httpx")


def measure(bench: Bench) -> Table:
    table = Table("Boot", "One app that does nothing, from the command on; ratio: oxtrio / beside.")
    sides: dict[str, Measure] = {
        OURS: partial(_ours, bench.ours),
        **{f"python -c '{code}'": partial(_interpreter, code) for code in FLOORS},
        **{peer.name: partial(_boot, peer) for peer in bench.peers},
    }
    compare(table, bench.rounds, sides)
    return table


def _ours(peer: Peer) -> Mapping[str, Value]:
    with session(peer, partial(quiet, 1)) as started:
        started.server.wait(60)
        took = time.monotonic() - started.began
    return {START: duration(took), **_boot(peer)}


def _boot(peer: Peer) -> dict[str, Value]:
    found: dict[str, Value] = {}
    with session(peer, partial(quiet, 1), foreground=True) as started:
        if started.setup.api is not None:
            found[CONTROL] = duration(wait_answer(started.setup.api) - started.began)
    with session(peer, partial(quiet, 1), foreground=True) as started:
        [run] = started.said.expect(1)
        found[APP] = duration(run.at - started.began)
    return found


def _interpreter(code: str) -> Mapping[str, Value]:
    took = duration(run_time(code))
    return {START: took, CONTROL: took}
