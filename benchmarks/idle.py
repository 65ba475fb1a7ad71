"""What a supervisor costs that has nothing to do."""

import time
from collections.abc import Mapping
from functools import partial

from benchmarks.bench import Bench
from benchmarks.peers.peer import Peer
from benchmarks.processes import cpu_seconds, memory, switches
from benchmarks.rounds import compare
from benchmarks.session import session
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.workload import counted, quiet


def measure(bench: Bench) -> Table:
    seconds = 2.0 if bench.quick else 10.0
    sizes = (1, 20) if bench.quick else (1, 20, 100)
    table = Table(
        "Idle",
        f"Apps that do nothing, no health checks, {seconds:g} s: CPU (in ticks of 10 ms) and "
        "context switches of all processes and threads that are not apps, then their memory "
        "(PSS counts pages once that several processes share). Ratio: oxtrio / beside.",
    )
    sides = {peer.name: partial(_idle, peer, sizes, seconds) for peer in bench.all}
    compare(table, 1, sides)
    return table


def _idle(peer: Peer, sizes: tuple[int, ...], seconds: float) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for size in sizes:
        with session(peer, partial(quiet, size)) as started:
            started.said.expect(size)
            time.sleep(2)
            own = started.own_processes()
            cpu, before = cpu_seconds(own), switches(own)
            time.sleep(seconds)
            switched = (switches(own) - before).total()
            found[f"CPU, {counted(size)}"] = duration(cpu_seconds(own) - cpu)
            found[f"context switches, {counted(size)}"] = Value(switched, "")
            found[f"RSS, {counted(size)}"] = Value(memory(own, "Rss"), "MiB")
            found[f"PSS, {counted(size)}"] = Value(memory(own, "Pss"), "MiB")
    return dict(sorted(found.items(), key=lambda item: item[0].split(",")[0]))
