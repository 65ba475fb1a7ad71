"""Writes numbered lines to stdout as fast as it may, and reports when it began and ended.

Usage: writer.py LINES LENGTH PER_WRITE PIPE GO REPORT. All is made before the first write, so
that what is measured is the writing; then it says `writer PID` in PIPE and waits for the file GO.
"""

import json
import os
import sys
import time


def prepare(lines: int, length: int, per_write: int) -> list[bytes]:
    pad = b" " + b"x" * (length - 11) + b"\n"
    return [
        b"".join(b"%09d%b" % (number, pad) for number in range(at, min(at + per_write, lines)))
        for at in range(0, lines, per_write)
    ]


def write(pieces: list[bytes]) -> dict[str, float]:
    began = time.monotonic()
    for piece in pieces:
        written = os.write(1, piece)
        while written < len(piece):
            written += os.write(1, piece[written:])
    return {"began": began, "ended": time.monotonic()}


def main() -> None:
    pieces = prepare(*map(int, sys.argv[1:4]))
    pipe, go, report = sys.argv[4:]
    with open(pipe, "w") as announcements:
        announcements.write(f"writer {os.getpid()}\n")
    while not os.path.exists(go):
        time.sleep(0.001)
    times = write(pieces)
    with open(f"{report}.new", "w") as file:
        json.dump(times, file)
    os.rename(f"{report}.new", report)


main()
