"""The readiness tests of a run, but for its health check, which a monitor makes."""

from collections.abc import Sequence

import trio

from oxtrio.model.readiness import Test
from oxtrio.process.preparation import Preparation
from oxtrio.process.run import Run
from oxtrio.system.groups import Slot

TRY_AGAIN = 0.1
"""Seconds after a connection that was reset before anybody had accepted it."""


def tests_of(preparation: Preparation) -> set[Test]:
    """What a run must pass to be ready; never nothing."""
    ready = preparation.spec.ready
    tests = set()
    if preparation.spec.health is not None:
        tests.add(Test.HEALTH)
    if ready.notify:
        tests.add(Test.NOTIFY)
    if ready.log_line is not None:
        tests.add(Test.LOG_LINE)
    if not tests:
        tests.add(Test.TIME if preparation.place is None else Test.ACCEPT)
    return tests


async def watch_readiness(run: Run, preparation: Preparation) -> None:
    """Make the tests of *run*. Cancelling ends them, and proves nothing."""
    async with trio.open_nursery() as nursery:
        if Test.TIME in run.pending:
            nursery.start_soon(_last, run, preparation.spec.ready.start)
        if Test.ACCEPT in run.pending and preparation.place is not None:
            nursery.start_soon(_accept, run, preparation.place.slots)
        if run.voice is not None:
            nursery.start_soon(run.voice.attend, run)


async def _last(run: Run, seconds: float) -> None:
    await trio.sleep(seconds)
    run.passed(Test.TIME)


async def _accept(run: Run, slots: Sequence[Slot]) -> None:
    """It has accepted a connection on each of its addresses."""
    async with trio.open_nursery() as nursery:
        for slot in slots:
            nursery.start_soon(_accept_at, run, slot)
    run.passed(Test.ACCEPT)


async def _accept_at(run: Run, slot: Slot) -> None:
    while True:
        try:
            stream = await slot.connect()
            try:
                await slot.wait_accepted(stream, run.pids)
                return
            finally:
                await trio.aclose_forcefully(stream)
        except (OSError, trio.BrokenResourceError):
            await trio.sleep(TRY_AGAIN)
