"""Writes numbered lines, and counts them where no kill can reach: writer.py FOLDER MANNER

It stands for itself: an app runs it, and who reads the lines imports it. What it has written is in
FOLDER/<app>:<instance>/<stream>, a file that is mapped: how many runs there were, how much
is wanted, and for each run how many lines were begun (before their write) and done (after it), and
when that was.

MANNER: `steady`: to both streams by turns. `flood`: as many bytes as are wanted, as fast as they
are taken. `crash`: some lines, then exit code 3. `once`: some lines, then 0.
"""

import mmap
import os
import struct
import sys
import time
from pathlib import Path

HEAD = struct.Struct("=qqq")
"""The number of runs; bytes that are wanted, and written, of a flood."""
RUN = struct.Struct("=qqq")
"""The lines of a run that were begun, and done; when, in monotonic nanoseconds."""
MOST_RUNS = 50_000
PERIOD = 0.04
"""Seconds between two lines, or two looks at what is wanted."""
BLOCK = 40_000
"""Bytes of a flood with one write: more than the kernel writes in one piece."""
SOME = 3


def line_of(who: str, run: int, number: int) -> bytes:
    """One line; its length depends on its number alone."""
    return b"%s %d %d %s\n" % (who.encode(), run, number, b"x" * (number * 7919 % 97))


class Tally:
    """What a writer has written to one stream, as it says itself. Holds after a kill -9."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = HEAD.size + MOST_RUNS * RUN.size
            os.truncate(file, size)
            self._page = mmap.mmap(file, size)
        finally:
            os.close(file)

    @property
    def runs(self) -> int:
        return self._head()[0]

    def want(self, size: int) -> None:
        """Ask for so many bytes more."""
        self._put(8, self._head()[1] + size)

    def is_wanting(self) -> bool:
        _, wanted, written = self._head()
        return written < wanted

    def begin_run(self) -> int:
        """The number of the run that begins now."""
        run = self.runs
        self._put(0, run + 1)
        return run

    def begin(self, run: int, lines: int) -> None:
        self._put(HEAD.size + run * RUN.size, self.of(run)[0] + lines)

    def end(self, run: int, lines: int, size: int) -> None:
        self._put(HEAD.size + run * RUN.size + 8, self.of(run)[1] + lines)
        self._put(HEAD.size + run * RUN.size + 16, time.monotonic_ns())
        self._put(16, self._head()[2] + size)

    def last(self, run: int) -> float:
        """The moment (monotonic) at which *run* had written its last line; 0.0: none."""
        _, _, at = RUN.unpack_from(self._page, HEAD.size + run * RUN.size)
        return float(at) / 1e9

    def of(self, run: int) -> tuple[int, int]:
        """The lines of *run* that were begun, and done."""
        begun, done, _ = RUN.unpack_from(self._page, HEAD.size + run * RUN.size)
        return begun, done

    def _head(self) -> tuple[int, int, int]:
        runs, wanted, written = HEAD.unpack_from(self._page)
        return runs, wanted, written

    def _put(self, at: int, number: int) -> None:
        self._page[at : at + 8] = number.to_bytes(8, sys.byteorder)


class Stream:
    """One stream of this run, and its tally."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        app, instance = os.environ["OXTRIO_NAME"], os.environ["OXTRIO_INSTANCE_ID"]
        self._who = f"{app}:{instance}/{name}"
        self._descriptor = descriptor
        self.tally = Tally(folder / f"{app}:{instance}" / name)
        self._run = self.tally.begin_run()
        self._number = 0

    def write(self, least: int = 1) -> None:
        """With one write whole lines of at least so many bytes, counted."""
        data = b""
        first = self._number
        while len(data) < least:
            data += line_of(self._who, self._run, self._number)
            self._number += 1
        count, size = self._number - first, len(data)
        self.tally.begin(self._run, count)
        while data:
            data = data[os.write(self._descriptor, data) :]
        self.tally.end(self._run, count, size)


def main() -> int:
    folder, manner = Path(sys.argv[1]), sys.argv[2]
    out = Stream(folder, "out", 1)
    if manner in ("crash", "once"):
        for _ in range(SOME):
            time.sleep(PERIOD)
            out.write()
        return 3 if manner == "crash" else 0
    err = Stream(folder, "err", 2) if manner == "steady" else None
    while True:
        if err is not None:
            out.write()
            time.sleep(PERIOD)
            err.write()
        while err is None and out.tally.is_wanting():
            out.write(BLOCK)
        time.sleep(PERIOD)


if __name__ == "__main__":
    sys.exit(main())
