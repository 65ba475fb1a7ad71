"""One socket for all, where it has to be found out who has answered."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from oxtrio.system.shared_group import SharedGroup
from tests.system.clients import PATIENCE, accept, connect, sockets_stay_as_they_are, tcp

__all__ = ["sockets_stay_as_they_are"]


@asynccontextmanager
async def held() -> AsyncIterator[SharedGroup]:
    group = SharedGroup(tcp())
    try:
        yield group
    finally:
        group.close()


def ourselves() -> list[int]:
    return [os.getpid()]


async def test_all_slots_are_one_socket():
    async with held() as group:
        first, second = group.take(), group.take()
        group.serve([second])
        with connect(group.listen):
            assert first.is_waiting()
            assert first.fileno() == second.fileno()
            first.release()
            await second.wait_drained()
            accept(second).close()


async def test_what_others_have_accepted_is_not_waited_for():
    async with held() as group:
        slot = group.take()
        async with await slot.connect() as stream:
            with accept(slot), pytest.raises(ConnectionAbortedError, match="another process"):
                await slot.wait_accepted(stream, list)


async def test_of_what_is_closed_over_there_nobody_knows_whose_it_was():
    async with held() as group:
        slot = group.take()
        async with await slot.connect() as stream:
            accept(slot).close()
            assert not slot.answered_by(stream, ourselves)
            with trio.fail_after(PATIENCE), pytest.raises(ConnectionAbortedError):
                await slot.wait_accepted(stream, ourselves)


async def test_a_connection_in_the_queue_is_nobodys():
    async with held() as group:
        slot = group.take()
        async with await slot.connect() as stream:
            assert not slot.answered_by(stream, ourselves)
            with accept(slot):
                assert slot.answered_by(stream, ourselves)
        assert not slot.answered_by(stream, ourselves)
