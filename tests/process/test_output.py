"""Output on its way from a pipe to a log: all of it, in order, whatever happens on the way."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.logs.sink import Sink
from oxtrio.logs.store import open_store
from oxtrio.model.log import Stream
from oxtrio.process.output import Output, Progress, Tail, reading
from oxtrio.system.fifo import CHUNK, LARGEST, Pipe, Scratch
from oxtrio.system.mark import Mark, Phase
from tests.engine import an_app


class Full(Sink):
    """Takes nothing until it is told to."""

    def __init__(self) -> None:
        self.whole_lines = True
        self.inside_line = False
        self.full = True
        self.got = b""
        self.freed = trio.lowlevel.ParkingLot()

    def place(self, at: float) -> tuple[int, int]:
        return 7, len(self.got)

    def formed(self, data: bytes, at: float) -> bytes:
        return data

    def append(self, data: bytes, at: float) -> bool:
        if not self.full:
            self.got += data
        return not self.full

    async def wait_room(self) -> None:
        await self.freed.park()

    def end(self, at: float) -> None:
        pass


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    made = Scratch()
    yield made
    made.close()


Make = Callable[..., Output]


@pytest.fixture
def output_of(tmp_path: Path, scratch: Scratch) -> Iterator[Make]:
    """Outputs of runs that write to the pipe in the same process."""
    outputs: list[Output] = []

    def make(sink: Sink, *, named: bool = True) -> Output:
        number = len(outputs)
        path = str(tmp_path / f"run{number}.out") if named else None
        mark = Mark(f"{path}.mark" if path else None, LARGEST)
        outputs.append(Output(Pipe(path, scratch), sink, mark, Tail(), None))
        return outputs[-1]

    yield make
    for output in outputs:
        output.close()


def say(output: Output, data: bytes) -> None:
    assert os.write(output.pipe.writing, data) == len(data)


def move_all(output: Output) -> None:
    while output.move() is Progress.MOVED:
        pass


async def finish(*outputs: Output) -> None:
    with trio.fail_after(30):
        for output in outputs:
            await output.finish()


async def test_a_last_line_without_newline_is_kept(tmp_path: Path, output_of: Make) -> None:
    async with open_store(str(tmp_path), print) as logs:
        output = output_of(logs.sink(an_app("a", "x"), 0, Stream.STDOUT))
        say(output, b"one\ntwo")
        move_all(output)
        assert (tmp_path / "a.log").read_bytes() == b"one\n"

        await finish(output)

    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo"


async def test_the_next_run_begins_a_line_of_its_own(tmp_path: Path, output_of: Make) -> None:
    async with open_store(str(tmp_path), print) as logs:
        sink = logs.sink(an_app("a", "x"), 0, Stream.STDOUT)
        for words in (b"no newline", b"next run\n"):
            output = output_of(sink)
            say(output, words)
            await finish(output)

    assert (tmp_path / "a.log").read_bytes() == b"no newline\nnext run\n"


@pytest.mark.parametrize("size", [LARGEST - 1, LARGEST, LARGEST + 1, 3 * LARGEST + 5])
async def test_a_long_line_is_complete_and_whole_up_to_a_mebibyte(
    tmp_path: Path, output_of: Make, size: int
) -> None:
    """The other stream writes into the same file all the time."""
    line = bytes(random.Random(size).choices(b"abc", k=size)) + b"\n"
    async with open_store(str(tmp_path), print) as logs:
        app = an_app("a", "x")
        out, err = (output_of(logs.sink(app, 0, stream)) for stream in Stream)
        writer = threading.Thread(target=_write_all, args=(out.pipe.writing, line))
        writer.start()
        while writer.is_alive():
            move_all(out)
            say(err, b"E\n")
            move_all(err)
        await finish(out, err)

    lines = (tmp_path / "a.log").read_bytes().split(b"\n")
    assert b"".join(each for each in lines if each != b"E") == line[:-1]
    if size <= LARGEST:
        assert line[:-1] in lines


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


async def test_partial_lines_of_many_writers_never_tear_a_line(
    tmp_path: Path, output_of: Make
) -> None:
    chance = random.Random(1)
    app = an_app("a", "x", instances=4)
    sent = {n: [b"%d:%d " % (n, i) + b"." * (i % 50) for i in range(80)] for n in range(8)}
    async with open_store(str(tmp_path), print) as logs:
        outputs = [output_of(logs.sink(app, n // 2, tuple(Stream)[n % 2])) for n in range(8)]
        left = {n: b"".join(line + b"\n" for line in lines) for n, lines in sent.items()}
        while any(left.values()):
            number = chance.choice([n for n, data in left.items() if data])
            cut = chance.randint(1, 40)
            say(outputs[number], left[number][:cut])
            left[number] = left[number][cut:]
            outputs[chance.randrange(8)].move()
        await finish(*outputs)

    got = (tmp_path / "a.log").read_bytes().splitlines()
    for number, lines in sent.items():
        assert [line for line in got if line.startswith(b"%d:" % number)] == lines
    assert len(got) == 8 * 80


async def test_what_cannot_be_written_stays_in_the_pipe(output_of: Make) -> None:
    sink = Full()
    output = output_of(sink)
    say(output, b"one\ntwo")

    assert output.move() is Progress.NO_ROOM
    assert output.pipe.peek() == b"one\ntwo"
    sink.full = False
    assert output.move() is Progress.MOVED
    assert (sink.got, output.pipe.peek()) == (b"one\n", b"")


async def test_a_last_line_waits_for_room_like_every_other(
    output_of: Make, autojump_clock: trio.testing.MockClock
) -> None:
    sink = Full()
    sink.full = False
    output = output_of(sink)
    say(output, b"one\ntwo")
    move_all(output)
    sink.full = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.finish)
        await trio.sleep(1)
        sink.full = False
        sink.freed.unpark_all()

    assert sink.got == b"one\ntwo"


async def test_the_last_words_of_one_stream_do_not_wait_for_the_other(
    tmp_path: Path, output_of: Make, autojump_clock: trio.testing.MockClock
) -> None:
    """Somebody escaped and never stops writing to stdout; the traceback is in stderr."""
    stuck, sink = Full(), Full()
    sink.full = False
    out, err = output_of(stuck), output_of(sink)
    say(out, b"never\n")

    async with reading([out, err]):
        await trio.testing.wait_all_tasks_blocked()
        say(err, b"Traceback\nValueError")

    assert sink.got == b"Traceback\nValueError"


async def test_cancelling_the_reading_keeps_what_was_not_written(output_of: Make) -> None:
    sink = Full()
    output = output_of(sink)
    say(output, b"one\n")

    with trio.move_on_after(0.01):
        await output.pump()

    assert output.pipe.peek() == b"one\n"


def found(path: Path) -> Mark:
    """The mark at *path* as the next reader has it."""
    return Mark.reopen(str(path), LARGEST)


async def test_the_mark_says_where_a_chunk_is_on_its_way(
    tmp_path: Path, output_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partial line too: a reader that is killed must not leave it in two places, or in none."""
    path = tmp_path / "run0.out.mark"
    seen: list[tuple[str, Phase, int, int, bytes, bool]] = []

    def look(when: str) -> None:
        mark = found(path)
        move = mark.move
        seen.append((when, mark.phase, move.offset, move.written, mark.carry, mark.is_consumed))
        mark.close()

    class Watching(Full):
        def append(self, data: bytes, at: float) -> bool:
            look("in the log")
            self.got += data
            return True

    output = output_of(Watching())
    consume = output.pipe.consume

    def watch(count: int, witness: memoryview | None = None) -> None:
        look("out of the pipe")
        consume(count, witness)
        look("it is")

    monkeypatch.setattr(output.pipe, "consume", watch)
    for piece in (b"one\ntwo\nthr", b"ee"):
        say(output, piece)
        move_all(output)
    look("all done")

    assert seen == [
        ("in the log", Phase.WRITING, 0, 8, b"", False),
        ("out of the pipe", Phase.WRITTEN, 0, 8, b"thr", False),
        ("it is", Phase.WRITTEN, 0, 8, b"thr", True),
        ("out of the pipe", Phase.WRITTEN, 0, 0, b"three", False),
        ("it is", Phase.WRITTEN, 0, 0, b"three", True),
        ("all done", Phase.IDLE, 0, 0, b"three", True),
    ]


async def test_what_could_not_be_written_leaves_the_mark_as_it_was(
    tmp_path: Path, output_of: Make
) -> None:
    sink = Full()
    sink.full = False
    output = output_of(sink)
    say(output, b"half a")
    move_all(output)
    sink.full = True
    say(output, b" line\nand")

    assert output.move() is Progress.NO_ROOM

    mark = found(tmp_path / "run0.out.mark")
    assert (mark.phase, mark.carry) == (Phase.IDLE, b"half a")
    mark.close()


def test_the_tail_remembers_the_last_and_forgets_the_rest() -> None:
    tail = Tail()
    for number in range(10_000):
        tail.add(b"line %d\n" % number)

    assert tail.lines(3) == ("line 9997", "line 9998", "line 9999")
    assert tail._size < 40_000
    tail.add(b"x" * 100_000)
    assert len(tail.lines(1)[0]) <= 16384


def test_a_tail_of_strange_bytes_can_be_shown() -> None:
    tail = Tail()
    tail.add(b"\xff\xfe\n\n\n  \nok\n")

    assert tail.lines(5) == ("\ufffd\ufffd", "ok")


def test_the_pipe_is_read_in_pieces_of_its_own_size(output_of: Make) -> None:
    sink = Full()
    sink.full = sink.whole_lines = False
    output = output_of(sink)
    say(output, b"x" * CHUNK)
    move_all(output)
    say(output, b"y" * LARGEST)
    move_all(output)

    assert sink.got == b"x" * CHUNK + b"y" * LARGEST
