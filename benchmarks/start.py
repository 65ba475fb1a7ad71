"""Starting many apps at once."""

import time
from collections.abc import Mapping
from functools import partial

from benchmarks.bench import Bench
from benchmarks.peers.peer import Peer
from benchmarks.rounds import compare
from benchmarks.session import session
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.workload import quiet


def measure(bench: Bench) -> Table:
    count = bench.count
    table = Table(
        f"Start of {count} apps",
        "Each app is a shell that says that it runs, then becomes `sleep`. The plain loop is a "
        f"Python script that does nothing but {count} times `subprocess.Popen`: what the kernel "
        "needs. Ratio: oxtrio / beside.",
    )
    sides = {peer.name: partial(_start, peer, count) for peer in bench.all}
    compare(table, bench.rounds, sides)
    return table


def _start(peer: Peer, count: int) -> Mapping[str, Value]:
    with session(peer, partial(quiet, count)) as started:
        heard = started.said.expect(count)
        found = {
            "from the first app that runs to the last": duration(heard[-1].at - heard[0].at),
            "from the command to the last app": duration(heard[-1].at - started.began),
        }
        if started.setup.serve != started.setup.foreground:
            started.server.wait(60)
            returned = duration(time.monotonic() - started.began)
            found["until the command has returned"] = returned
    return found
