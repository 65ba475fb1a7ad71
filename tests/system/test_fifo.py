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
    os.close(pipe._reading)  # the reader is gone, and nothing is said about it
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    again = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    got = b""
    while got.count(b"\n") < 2:
        got += os.read(again, CHUNK)
    writer.communicate(b"\n", timeout=30)

    assert got == b"first\nsecond\n"
    assert writer.returncode == 0
    pipe._reading = again
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
