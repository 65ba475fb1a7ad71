"""`python -m benchmarks soak`: everything at random, for minutes, and whether all promises held."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import machine
from benchmarks.failure import Failed
from benchmarks.interpreter import compile_ours
from benchmarks.processes import adopt_orphans, end_descendants
from benchmarks.soak.disk import MIB, Disk
from benchmarks.soak.report import table_of
from benchmarks.soak.soak import Soak
from benchmarks.table import markdown, plain
from tests.fixtures.jump import COMPILER, Jump

LONGEST = 1700.0
"""Seconds: the clients give up after 1800."""
DISK = 64 * MIB


def main(words: list[str]) -> int:
    """The exit code: 1 where something was wrong, which then is on stderr."""
    asked = _arguments(words)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    adopt_orphans()
    compile_ours()
    folder = Path(tempfile.mkdtemp(prefix="oxs-", dir="/tmp"))
    print(f"seed {asked.seed}, {asked.seconds:g} s", file=sys.stderr, flush=True)
    try:
        return _soak(folder, asked)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        end_descendants()
        if asked.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _soak(folder: Path, asked: argparse.Namespace) -> int:
    disk = _disk(folder / "disk")
    soak = Soak(folder, disk, Jump(folder) if COMPILER else None)
    print(f"Measured on: {machine.describe()}.\n", flush=True)
    try:
        soak.run(asked.seconds, asked.seed)
    finally:
        if disk is not None:
            disk.close()
    table = table_of(soak, asked.seed)
    print(markdown(table) if asked.markdown else plain(table), flush=True)
    if asked.acts:
        asked.acts.write_text("\n".join([*soak.complaints.all, ""]))
    for reason, count in soak.service.reasons.most_common():
        print(f"{count} × {reason}", file=sys.stderr)
    for complaint in soak.complaints.found:
        print(f"wrong: {complaint}", file=sys.stderr)
    return int(bool(soak.complaints.found))


def _disk(folder: Path) -> Disk | None:
    try:
        return Disk(folder, DISK)
    except OSError:
        return None


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, metavar="N", help="default: 1200")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), metavar="S")
    parser.add_argument("--markdown", action="store_true", help="for the documentation")
    parser.add_argument("--acts", type=Path, metavar="FILE", help="write what was done when")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    asked = parser.parse_args(words)
    if not 1 <= asked.seconds <= LONGEST:
        parser.error(f"from 1 to {LONGEST:g} seconds: the clients give up after that")
    return asked
