"""Pipes of runs: whoever reads them may die, whoever writes them never notices."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.system.fifo import CHUNK, LARGEST, Pipe, Scratch
from tests.engine import descriptors


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    before = descriptors()
    made = Scratch()
    yield made
    made.close()
    assert descriptors() == before


@pytest.fixture(params=["named", "anonymous"])
def pipe(request: pytest.FixtureRequest, tmp_path: Path, scratch: Scratch) -> Iterator[Pipe]:
    made = Pipe(str(tmp_path / "out") if request.param == "named" else None, scratch)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_peeked_is_still_there_until_it_is_consumed(pipe: Pipe) -> None:
    os.write(pipe.writing, b"one two")

    assert (pipe.peek(), pipe.peek()) == (b"one two", b"one two")
    pipe.consume(4)
    assert pipe.peek() == b"two"
    pipe.consume(3)
    assert pipe.peek() == b""


def test_what_arrives_between_peek_and_consume_is_kept(pipe: Pipe) -> None:
    os.write(pipe.writing, b"one ")
    peeked = pipe.peek()
    os.write(pipe.writing, b"two")

    pipe.consume(len(peeked))

    assert pipe.peek() == b"two"


def test_many_small_writes_come_as_one_stream(pipe: Pipe) -> None:
    sent = b"".join(b"%d\n" % number for number in range(2000))
    for line in sent.splitlines(keepends=True):
        os.write(pipe.writing, line)
    got = b""
    while data := pipe.peek():
        got += data
        pipe.consume(len(data))

    assert got == sent


def test_a_pipe_that_was_full_grows_once(pipe: Pipe, scratch: Scratch) -> None:
    os.set_blocking(pipe.writing, False)
    sent = os.write(pipe.writing, b"x" * LARGEST)
    assert sent == CHUNK

    pipe.consume(len(pipe.peek()))

    assert os.write(pipe.writing, b"y" * 2 * LARGEST) == LARGEST
    got = 0
    while data := pipe.peek():
        got += len(data)
        pipe.consume(len(data))
    assert got == LARGEST


def test_growing_ends_at_the_allowance_and_begins_again_when_pipes_are_closed(
    tmp_path: Path, scratch: Scratch
) -> None:
    scratch._allowance = 2 * LARGEST
    pipes = [Pipe(str(tmp_path / str(number)), scratch) for number in range(4)]
    sizes = []
    for pipe in pipes:
        os.set_blocking(pipe.writing, False)
        os.write(pipe.writing, b"x" * LARGEST)
        pipe.peek()
        sizes.append(pipe._size)
    assert sizes == [LARGEST, LARGEST, CHUNK, CHUNK]

    for pipe in pipes:
        pipe.close()
    assert scratch._grown == 0


def test_the_writer_lives_and_is_heard_when_the_reader_comes_back(
    tmp_path: Path, scratch: Scratch
) -> None:
    path = str(tmp_path / "out")
    pipe = Pipe(path, scratch)
    writer = subprocess.Popen(
        ["/bin/sh", "-c", "echo first; read go; echo second; read go"],
        stdout=pipe.writing,
        stdin=subprocess.PIPE,
    )
    assert writer.stdin is not None
    pipe.spawned()
    os.close(pipe.reading)  # the reader is gone, and nothing is said about it
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    again = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    got = b""
    while got.count(b"\n") < 2:
        got += os.read(again, CHUNK)
    writer.communicate(b"\n", timeout=30)

    assert got == b"first\nsecond\n"
    assert writer.returncode == 0
    pipe.reading = again
    pipe.close()


def test_nobody_but_the_owner_can_reach_or_read_it(tmp_path: Path, scratch: Scratch) -> None:
    path = tmp_path / "out"
    before = os.umask(0o077)
    try:
        pipe = Pipe(str(path), scratch)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o622
    pipe.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("named", [True, False], ids=["named", "anonymous"])
def test_another_user_may_open_its_own_stdout_again(
    tmp_path: Path, scratch: Scratch, named: bool
) -> None:
    pipe = Pipe(str(tmp_path / "out") if named else None, scratch)
    pipe.allow(65534)

    done = subprocess.run(
        ["/bin/sh", "-c", "echo hello > /dev/stdout"],
        stdout=pipe.writing,
        user=65534,
        group=65534,
        extra_groups=[],
        timeout=30,
        check=False,
    )

    assert (done.returncode, pipe.peek()) == (0, b"hello\n")
    pipe.close()


async def test_waiting_ends_when_something_comes_and_cancelling_takes_nothing(pipe: Pipe) -> None:
    with trio.move_on_after(0.01) as patience:
        await pipe.wait_readable()
    assert patience.cancelled_caught

    os.write(pipe.writing, b"now")
    with trio.fail_after(30):
        await pipe.wait_readable()

    assert pipe.peek() == b"now"


async def test_a_reader_sees_no_end_when_every_writer_is_gone(pipe: Pipe) -> None:
    await trio.run_process(["/bin/echo", "bye"], stdout=pipe.writing)
    pipe.spawned()
    pipe.consume(len(pipe.peek()))

    with trio.move_on_after(0.02) as patience:
        await pipe.wait_readable()

    assert patience.cancelled_caught
    assert pipe.peek() == b""


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_pipe_that_cannot_be_opened_leaves_nothing(
    tmp_path: Path, scratch: Scratch, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    really, opened = os.open, []

    def scarce(*args: int, **rest: int) -> int:
        if len(opened) == allowed:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened.append(args)
        return really(*args, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", scarce)
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            Pipe(str(tmp_path / "out"), scratch)

    assert list(tmp_path.iterdir()) == []


def test_the_last_byte_that_is_taken_out_is_the_witness_of_all(pipe: Pipe) -> None:
    page = bytearray(b"?")
    os.write(pipe.writing, b"one two")

    pipe.consume(4, memoryview(page))

    assert (bytes(page), pipe.peek()) == (b" ", b"two")
    pipe.consume(1, memoryview(page))
    assert (bytes(page), pipe.peek()) == (b"t", b"wo")


def test_a_megabyte_is_taken_out_whole(pipe: Pipe) -> None:
    page = bytearray(b"?")
    os.set_blocking(pipe.writing, False)
    os.write(pipe.writing, b"x" * CHUNK)
    pipe.peek()
    os.write(pipe.writing, b"y" * (LARGEST - CHUNK))

    pipe.consume(LARGEST, memoryview(page))

    assert (bytes(page), pipe.peek()) == (b"y", b"")


def test_nothing_is_taken_where_nothing_is(pipe: Pipe) -> None:
    pipe.consume(5)

    os.write(pipe.writing, b"later")
    assert pipe.peek() == b"later"


@pytest.mark.parametrize("named", [True, False], ids=["named", "anonymous"])
async def test_a_descriptor_keeps_what_was_said_when_both_ends_are_gone(
    tmp_path: Path, scratch: Scratch, named: bool
) -> None:
    path = str(tmp_path / "out") if named else None
    pipe = Pipe(path, scratch)
    kept = os.dup(pipe.reading)
    await trio.run_process(["/bin/echo", "last words"], stdout=pipe.writing)
    pipe.spawned()
    os.close(pipe.reading)
    if pipe.writing >= 0:
        os.close(pipe.writing)

    again = Pipe.reopen(path, scratch, kept)

    assert again.peek() == b"last words\n"
    again.consume(11)
    with trio.move_on_after(0.02) as patience:
        await again.wait_readable()
    assert patience.cancelled_caught, "and it never reads as closed"
    again.close()
    assert os.listdir(tmp_path) == []


def test_by_its_name_the_pipe_of_a_run_that_lives_is_found(
    tmp_path: Path, scratch: Scratch
) -> None:
    path = str(tmp_path / "out")
    pipe = Pipe(path, scratch)
    os.write(pipe.writing, b"one ")
    os.close(pipe.reading)

    again = Pipe.reopen(path, scratch)

    os.write(pipe.writing, b"two")
    assert again.peek() == b"one two"
    os.close(pipe.writing)
    again.spawned()
    again.close()


def test_a_pipe_that_has_grown_counts_on(tmp_path: Path, scratch: Scratch) -> None:
    pipe = Pipe(str(tmp_path / "out"), scratch)
    os.set_blocking(pipe.writing, False)
    os.write(pipe.writing, b"x" * LARGEST)
    pipe.peek()
    other = Scratch()

    again = Pipe.reopen(None, other, os.dup(pipe.reading))

    assert other._grown == scratch._grown == LARGEST - CHUNK
    again.close()
    assert other._grown == 0
    other.close()
    pipe.close()


@pytest.mark.parametrize("what", ["nothing", "a file", "a link", "a kept file"])
def test_what_is_no_pipe_is_refused(tmp_path: Path, scratch: Scratch, what: str) -> None:
    path, kept = tmp_path / "out", None
    if what == "a file":
        path.touch()
    elif what == "a link":
        os.mkfifo(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    elif what == "a kept file":
        kept = os.open(path, os.O_RDWR | os.O_CREAT)
    before = descriptors()

    with pytest.raises(OSError, match=r"No such file|not a pipe|symbolic links"):
        Pipe.reopen(str(path), scratch, kept)

    assert descriptors() == before - (kept is not None)
