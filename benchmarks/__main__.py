"""`python -m benchmarks`: measure, and print a table for each benchmark."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterable

from benchmarks import (
    boot,
    broken,
    crash,
    held,
    idle,
    logs,
    machine,
    reload,
    respawn,
    start,
    status,
    stop,
)
from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.interpreter import compile_ours
from benchmarks.peers import roster
from benchmarks.processes import adopt_orphans, end_descendants
from benchmarks.soak import command as soak
from benchmarks.table import Table, markdown, plain

BENCHMARKS: dict[str, Callable[[Bench], Table]] = {
    "boot": boot.measure,
    "start": start.measure,
    "respawn": respawn.measure,
    "stop": stop.measure,
    "status": status.measure,
    "idle": idle.measure,
    "logs": logs.measure_big,
    "lines": logs.measure_small,
    "reload": reload.measure,
    "broken": broken.measure,
    "crash": crash.measure,
    "held": held.measure,
}
INTRODUCTION = """\
# Benchmarks

oxtrio beside other supervisors, and beside the least that the machine allows, all in one run.
Written by `python -m benchmarks --markdown > docs/benchmarks.md`; to see the tables on a terminal:
`make bench`, some of them sooner: `make bench ARGS="respawn stop --quick"`.

The figures are medians of several rounds in which the sides take turns; what happens to web apps,
crashes and idleness are measured in one long round. The apps and what measures them share the few
CPUs named below: read the ratios, and those as orders of magnitude. Where the load average is not
near 0, others used the CPUs at the same time: times are longer, and worst cases much worse, than on
a machine of one's own.
"""


def main() -> int:
    if sys.argv[1:2] == ["soak"]:
        return soak.main(sys.argv[2:])
    asked = _arguments()
    # Ended like by Ctrl-C: all that was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    adopt_orphans()
    try:
        return _measure(asked)
    finally:
        end_descendants()


def _measure(asked: argparse.Namespace) -> int:
    compile_ours()
    peers, missing = roster.available(roster.PEERS)
    web, _ = roster.available(roster.WEB)
    bench = Bench(peers=peers, web=web, quick=asked.quick)
    print(_head(asked.markdown, missing), flush=True)
    failed = False
    for name in asked.names or BENCHMARKS:
        try:
            table = BENCHMARKS[name](bench)
        except Failed as error:
            print(f"error: {name} could not be measured: {error}", file=sys.stderr)
            failed = True
        else:
            print(markdown(table) if asked.markdown else plain(table), flush=True)
    return int(failed)


def _head(as_markdown: bool, missing: Iterable[str]) -> str:
    lines = [f"Measured on: {machine.describe()}.", *missing, ""]
    return "\n".join([INTRODUCTION, *lines] if as_markdown else lines)


def _arguments() -> argparse.Namespace:
    also = "`python -m benchmarks soak` is another thing: see its own --help."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=also)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="little of everything, once")
    parser.add_argument("--markdown", action="store_true", help="for docs/benchmarks.md")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}: there are {', '.join(BENCHMARKS)}")
    return asked


sys.exit(main())
