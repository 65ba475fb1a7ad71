"""A command beside an app, run as the app would run: a health check, later a hook."""

import os
import secrets
from collections.abc import Callable

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.health import CommandResult
from oxtrio.process.preparation import Preparation
from oxtrio.process.stop import sweep_kin
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.children import Child
from oxtrio.system.spawn import Launch

OUTPUT_KEPT = 4096
"""Bytes of output that are remembered; the rest is read and forgotten."""


async def run_command(
    preparation: Preparation, command: str | tuple[str, ...], patience: float
) -> CommandResult:
    """Run *command* beside the app that *preparation* is about, as `run_to_end` does."""

    def launch(run_id: str, writing: int) -> Launch:
        return preparation.launch_beside(command, run_id, writing, writing)

    return await run_to_end(preparation.surroundings, launch, patience)


async def run_to_end(
    around: Surroundings, launch: Callable[[str, int], Launch], patience: float
) -> CommandResult:
    """Run a command to its end, at most *patience* seconds, and kill all that is left of it.

    *launch* makes it of a run id and the descriptor for its output. Cancelling kills it too. A
    command that cannot be started is a result, not an exception.
    """
    run_id = secrets.token_hex(8)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    try:
        try:
            child = around.children.spawn(launch(run_id, writing))
        finally:
            os.close(writing)
        kin = around.containment.admit(run_id, child)
        tail = bytearray()
        try:
            with trio.move_on_after(patience) as waiting:
                await _until_gone(child, reading, tail)
        finally:
            await sweep_kin(around.containment, kin, 0.0, None)  # noqa: ASYNC102 - shielded
            around.containment.dismiss(kin)
            child.close()
    except SpawnFailed as error:
        return CommandResult(error=error.message)
    finally:
        os.close(reading)
    if waiting.cancelled_caught or child.exit is None:
        return CommandResult(timed_out=True, output_tail=bytes(tail))
    return CommandResult(code=child.exit.code, signal=child.exit.signal, output_tail=bytes(tail))


async def _until_gone(child: Child, reading: int, tail: bytearray) -> None:
    """Read until the process itself has ended: a grandchild may hold the pipe for ever."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, reading, tail)
        await child.gone.wait()
        nursery.cancel_scope.cancel()
    _drain(reading, tail)


async def _read(reading: int, tail: bytearray) -> None:
    while True:
        await trio.lowlevel.wait_readable(reading)
        if not _drain(reading, tail):
            return


def _drain(reading: int, tail: bytearray) -> bool:
    """Take what is waiting, within reason; False at the end of the pipe."""
    for _ in range(16):
        try:
            data = os.read(reading, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        tail += data
        del tail[:-OUTPUT_KEPT]
    return True
