"""The output of apps on the stdout of `run`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.logs.display import ROOM, Display, Manner
from oxtrio.model.log import Chunk, Stream

NAMES = {("api", 0): "api:0", ("worker", 0): "worker"}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """What a display writes to, and whoever reads it."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        os.close(descriptor)


def chunk(data: bytes, app: str = "api") -> Chunk:
    return Chunk(at=0.0, app=app, instance=0, stream=Stream.STDOUT, data=data)


async def shown(pipe: tuple[int, int], manner: Manner, *chunks: Chunk) -> bytes:
    """What has been written when the display has ended."""
    display = Display(manner, dict(NAMES), pipe[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(display.serve)
        for each in chunks:
            display.put(each)
        display.say("worker", "said")
        nursery.cancel_scope.cancel()
    return os.read(pipe[0], 1 << 16)


async def test_each_line_has_its_app_in_front_and_the_last_one_is_kept(
    pipe: tuple[int, int],
) -> None:
    written = await shown(
        pipe, Manner(), chunk(b"one\ntw"), chunk(b"x\n", "worker"), chunk(b"o\n\nthree")
    )

    assert written.splitlines() == [
        b"api:0  | one",
        b"worker | x",
        b"api:0  | two",
        b"api:0  | ",
        b"worker | said",
        b"api:0  | three",
    ]


async def test_without_names_the_bytes_are_those_of_the_app(pipe: tuple[int, int]) -> None:
    written = await shown(pipe, Manner(prefix=False), chunk(b"\xff\0\x1b[2J\ra\n"))

    assert written == b"\xff\0\x1b[2J\ra\nsaid\n"


async def test_as_json_each_line_is_an_object(pipe: tuple[int, int]) -> None:
    [line] = (await shown(pipe, Manner(json=True), chunk(b"\xffa\n"))).splitlines()

    read = json.loads(line)
    assert (read["name"], read["stream"], read["line"]) == ("api:0", "stdout", "\ufffda")


async def test_a_terminal_gets_no_control_sequences(pipe: tuple[int, int]) -> None:
    written = await shown(pipe, Manner(terminal=True, colour=True), chunk(b"\x1b[2J\ra\n"))

    assert b"\x1b[2J" not in written
    assert b"\r" not in written


async def test_who_reads_nothing_holds_up_the_apps_and_not_the_end(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxtrio.logs.display.LAST_WORDS", 0.01)
    display = Display(Manner(), dict(NAMES), pipe[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(display.serve)
        display.put(chunk(b"y" * ROOM + b"\n"))
        assert not display.has_room
        await trio.to_thread.run_sync(os.read, pipe[0], 9)  # its thread writes
        nursery.cancel_scope.cancel()
    left = len(b"api:0  | ") + ROOM + 1 - 9
    while left:  # lets the thread end
        left -= len(os.read(pipe[0], 1 << 20))


async def test_when_nobody_reads_any_more_the_apps_go_on() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    display = Display(Manner(), dict(NAMES), writing)
    async with trio.open_nursery() as nursery:
        await nursery.start(display.serve)
        display.put(chunk(b"y" * ROOM + b"\n"))
        await display.wait_room()
        assert display.has_room
        nursery.cancel_scope.cancel()
    os.close(writing)


@pytest.mark.parametrize("target", ["pipe", "file"])
async def test_without_a_thread_all_is_written_and_nobody_else_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / target
    if target == "pipe":
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(trio.to_thread, "run_sync", refuse)
    display, got = Display(Manner(prefix=False), {}, writing), b""
    async with trio.open_nursery() as nursery:
        await nursery.start(display.serve)
        display.put(chunk(b"y" * 300_000 + b"\n"))
        with trio.fail_after(20):
            while target == "pipe" and len(got) < 300_001:
                await trio.lowlevel.wait_readable(reading)
                got += os.read(reading, 1 << 20)
            await display.wait_room()
        nursery.cancel_scope.cancel()
    os.close(writing)
    if target == "pipe":
        os.close(reading)
    assert (got or path.read_bytes()) == b"y" * 300_000 + b"\n"
