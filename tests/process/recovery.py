"""What the next reader makes of a log, a pipe and a mark, when the one before it was killed."""

import struct
from dataclasses import dataclass
from pathlib import Path

from oxtrio.system.mark import HEADER


@dataclass(frozen=True, slots=True)
class Found:
    """The page of a mark."""

    state: int
    """0: nothing under way. 1: a chunk was on its way. 2: and its partial line is kept."""
    inode: int
    offset: int
    written: int
    consumed: int
    carry: bytes


def read_mark(path: Path) -> Found:
    page = path.read_bytes()
    _, inode, offset, written, consumed = struct.unpack_from("<QQQQQ", page)
    (size,) = struct.unpack_from("<Q", page, 40)
    return Found(page[0], inode, offset, written, consumed, page[HEADER : HEADER + size])


def recover(log: bytes, pipe: bytes, mark: Found) -> bytes:
    """All that was ever written to the pipe, each byte once and in order.

    Needs lines that differ: whether a chunk was consumed is told by comparing it with the pipe.
    """
    if mark.state == 0:
        return log + mark.carry + pipe
    chunk = log[mark.offset : mark.offset + mark.written]
    if len(chunk) < mark.written:  # killed inside the write, or before it
        return log[: mark.offset] + mark.carry + pipe if mark.state == 1 else b"impossible"
    if mark.state == 1 and (mark.carry or mark.written != mark.consumed):
        # With a partial line before or after it, it is consumed in state 2 only.
        return log + pipe[pipe[: mark.consumed].rfind(b"\n") + 1 :]
    carry = mark.carry if mark.state == 2 else b""
    data = (chunk + carry)[-mark.consumed :]
    if pipe[: mark.consumed] == data:
        pipe = pipe[mark.consumed :]
    return log + carry + pipe
