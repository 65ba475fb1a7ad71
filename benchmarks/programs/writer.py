"""Writes numbered lines to stdout as fast as it may, and reports when it began and ended.

Usage: writer.py LINES LENGTH PER_WRITE REPORT. All is made before the first write, so that
what is measured is the writing.
"""

import json
import os
import sys
import time


def main() -> None:
    lines, length, per_write = map(int, sys.argv[1:4])
    pad = b" " + b"x" * (length - 11) + b"\n"
    pieces = [
        b"".join(b"%09d%b" % (number, pad) for number in range(at, min(at + per_write, lines)))
        for at in range(0, lines, per_write)
    ]
    began = time.monotonic()
    for piece in pieces:
        written = os.write(1, piece)
        while written < len(piece):
            written += os.write(1, piece[written:])
    ended = time.monotonic()
    report = sys.argv[4]
    with open(f"{report}.new", "w") as file:
        json.dump({"began": began, "ended": ended}, file)
    os.rename(f"{report}.new", report)


main()
