"""Stopping many apps at once."""

import time
from collections.abc import Mapping
from functools import partial

from benchmarks.bench import Bench
from benchmarks.peers.peer import Peer
from benchmarks.rounds import compare
from benchmarks.session import Session, session
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.workload import quiet


def measure(bench: Bench) -> Table:
    count = bench.count
    table = Table(
        f"Stop of {count} apps",
        "All end at SIGTERM. The plain loop sends it to all and waits for all; a signal makes "
        "it do so, no command. `oxtrio stop` ends the supervisor too. Ratio: oxtrio / beside.",
    )
    sides = {peer.name: partial(_stop, peer, count) for peer in bench.all}
    compare(table, bench.rounds, sides)
    return table


def _stop(peer: Peer, count: int) -> Mapping[str, Value]:
    with session(peer, partial(quiet, count)) as started:
        started.said.expect(count)
        _settle(started)
        began = time.monotonic()
        command = started.stop_apps()
        first, last = started.said.wait_gone()
        found = {
            "from the first app that ends to the last": duration(last - first),
            "from the command to the last end": duration(last - began),
        }
        if command is not None:
            command.wait(60)
            found["until the command has returned"] = duration(time.monotonic() - began)
    return found


def _settle(started: Session) -> None:
    """Nothing of the start is still going on."""
    if started.setup.serve != started.setup.foreground:
        started.server.wait(60)
    time.sleep(0.5)
