"""The output of a run that an earlier supervisor began: read on where that one stopped.

Who adopts runs calls, in this order: `settle_marks(folder)` once, before any log is opened;
`reopen_output(around, run_id, sinks, tail)` for each run; then both streams are read by
`async with reading(outputs)`, as ever. Of a run that has ended meanwhile its last words are
read on leaving that block; what is closed and removed after it is the same, too.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from oxtrio.logs.extent import bytes_kept
from oxtrio.logs.sink import Sink
from oxtrio.process.output import STREAMS, Output, Tail, kept_names, mark_of
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.fifo import LARGEST, Pipe, Scratch
from oxtrio.system.keepsakes import Keepsakes
from oxtrio.system.mark import Mark, Phase


def reopen_output(
    around: Surroundings, run_id: str, sinks: Sequence[Sink], tail: Tail, pid: int = 0
) -> list[Output]:
    """The two streams of a run that an earlier supervisor began, stdout first.

    What was on its way then is in the log once. Where the name of a pipe is gone, it is found
    by *pid*, which writes to it; where that is gone too, nothing can be read. Raises `OSError`
    where no more can be opened, or something else is in the place of a pipe; then nothing is
    left open.
    """
    outputs: list[Output] = []
    kept = around.keepsakes
    waiting = [kept.take(name) for name in kept_names(run_id)]
    try:
        for name, stream, sink in zip(kept_names(run_id), STREAMS, sinks, strict=True):
            path = os.path.join(around.runs, f"{run_id}.{stream}") if around.runs else None
            writer = f"/proc/{pid}/fd/{STREAMS.index(stream) + 1}" if pid else ""
            pipe = _pipe(path, around.scratch, waiting.pop(0), writer)
            kept.keep(name, pipe.reading)  # what it was kept by is another descriptor
            mark = _recovered(path, _taken(kept, mark_of(name)), pipe, sink)
            sink.resume(inside_line=mark.move.inside)
            outputs.append(Output(pipe, sink, mark, tail, around.display))
    except OSError:
        for descriptor in waiting:
            if descriptor is not None:
                os.close(descriptor)
        for name in kept_names(run_id):
            kept.drop(name)
        for output in outputs:
            output.close()
        raise
    return outputs


def _pipe(path: str | None, scratch: Scratch, kept: int | None, writer: str) -> Pipe:
    try:
        return Pipe.reopen(path, scratch, kept)
    except FileNotFoundError:
        # Its folder was wiped; the pipe itself is there for as long as somebody writes to it.
        with suppress(OSError):
            if path is not None and os.readlink(writer) == f"{path} (deleted)":
                flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
                return Pipe.reopen(path, scratch, os.open(writer, flags))
        # A run without output is better than a second copy of it.
        return Pipe(None, scratch)


def _taken(kept: Keepsakes, name: str) -> int | None:
    """What was kept under *name*, which is kept no longer: the copy of a mark serves once."""
    copy = kept.take(name)
    if copy is not None:
        kept.drop(name)
    return copy


def _recovered(path: str | None, copy: int | None, pipe: Pipe, sink: Sink) -> Mark:
    """The mark of a pipe, with what was under way done or as if it had never begun."""
    try:
        mark = _reopened(path, copy)
    except OSError:
        mark = Mark(None, LARGEST)  # a run goes on without it; the next crash may cost a chunk
    _settle(mark)
    if mark.phase is Phase.WRITTEN:
        if not mark.is_consumed:
            # Where the pipe went with its run there is nothing to take, and that is right.
            pipe.consume(mark.move.consumed, mark.witness)
        mark.clear()
    mark.log = sink.path
    return mark


def _reopened(path: str | None, copy: int | None) -> Mark:
    if copy is not None:
        return Mark.restore(copy, LARGEST)
    return Mark.reopen(f"{path}.mark", LARGEST) if path else Mark(None, LARGEST)


def _settle(mark: Mark) -> None:
    if mark.phase is Phase.WRITING:
        move = mark.move
        known = move.inode and mark.log
        written = (move.inode, move.offset, move.written)
        mark.settle(bytes_kept(mark.log, *written) if known else 0)


def settle_marks(folder: str) -> None:
    """Find out how much of what was being written has reached its log.

    Called before anybody writes to a log again: from then on it could not be told any more.
    At most one write was under way in all, so this takes no longer than looking at the marks.
    """
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(".mark"):
                with suppress(OSError):
                    mark = Mark.reopen(os.path.join(folder, name), LARGEST)
                    _settle(mark)
                    mark.close()
