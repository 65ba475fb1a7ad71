"""Looking at what runs."""

import statistics
import time
from collections.abc import Mapping
from functools import partial

from benchmarks.api import ask
from benchmarks.bench import Bench
from benchmarks.interpreter import run_time
from benchmarks.peers.peer import Peer
from benchmarks.rounds import OURS, compare
from benchmarks.session import session
from benchmarks.table import Table
from benchmarks.value import Value, duration
from benchmarks.workload import counted, quiet

FLOORS = ("pass", "import typer, httpx")
COMMANDS, REQUESTS = 5, 50


def measure(bench: Bench) -> Table:
    sizes = (1, bench.count)
    table = Table(
        "Status",
        "The whole command, as typed, and one request for the state of all apps on a new "
        "connection to the control socket. Ratio: oxtrio / beside.",
    )
    sides = {peer.name: partial(_status, peer, sizes) for peer in bench.supervisors}
    floors = {f"python -c '{code}'": partial(_interpreter, code, sizes) for code in FLOORS}
    compare(table, 1 if bench.quick else 3, {OURS: sides.pop(OURS), **floors, **sides})
    return table


def _status(peer: Peer, sizes: tuple[int, ...]) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for size in sizes:
        with session(peer, partial(quiet, size)) as started:
            setup = started.setup
            started.said.expect(size)
            time.sleep(0.5)
            if setup.status is not None:
                took = [started.timed(setup.status) for _ in range(COMMANDS)]
                found[_command(size)] = duration(statistics.median(took))
            if setup.api is not None:
                took = [ask(setup.api) for _ in range(REQUESTS)]
                found[f"one request, {counted(size)}"] = duration(statistics.median(took))
    return found


def _interpreter(code: str, sizes: tuple[int, ...]) -> Mapping[str, Value]:
    took = [run_time(code) for _ in range(COMMANDS)]
    return {_command(size): duration(statistics.median(took)) for size in sizes}


def _command(size: int) -> str:
    return f"the command, {counted(size)}"
