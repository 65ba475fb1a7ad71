"""Who gets which place at an address, among fakes."""

import pytest
import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.policy.rotation import Turn
from oxtrio.process.sockets import Place, Sockets
from tests.process.fakes import FakeGroup, FakeNet

LISTEN = ListenSpec(host="127.0.0.1", port=8000)
NAME = str(LISTEN)


class Left(FakeNet):
    """An address with sockets that an earlier supervisor has left."""

    async def open(self, listen: ListenSpec) -> FakeGroup:
        group = await super().open(listen)
        slots = [group.take() for _ in range(3)]
        for slot in reversed(slots):
            slot.release()
        return group


def numbers(place: Place) -> list[int]:
    return [index for _, index in place.held]


@pytest.mark.parametrize("first", ["the new one", "the adopted one"])
async def test_nobody_gets_the_place_of_a_run_that_is_about_to_be_adopted(first: str):
    sockets = Sockets(Left().open)  # type: ignore[arg-type]
    sockets.reserve([(NAME, 0), (NAME, 1)])
    places: dict[str, Place | None] = {}

    async def claim() -> None:
        places["new"] = await sockets.claim("api", [LISTEN], Turn.WANTED)

    async def reclaim(index: int) -> None:
        places[str(index)] = await sockets.reclaim("api", [LISTEN], {NAME: index})

    async with trio.open_nursery() as nursery:
        if first == "the new one":
            await nursery.start(_started, claim)
        for index in (1, 0):
            nursery.start_soon(reclaim, index)
        if first != "the new one":
            nursery.start_soon(claim)

    assert {name: numbers(place) for name, place in places.items() if place} == {
        "0": [0],
        "1": [1],
        "new": [2],
    }
    sockets.close()


async def _started(claim, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ANN001
    await claim()
    task_status.started()


async def test_what_is_not_there_any_more_is_not_had_and_nobody_is_disturbed():
    net = Left()
    sockets = Sockets(net.open)  # type: ignore[arg-type]
    other = ListenSpec(host="127.0.0.1", port=8001)
    held = {NAME: 1, str(other): 7}

    assert await sockets.reclaim("api", [LISTEN, other], {NAME: 1}) is None
    assert net.groups == [], "it was not even looked for"
    place = await sockets.reclaim("api", [LISTEN], held)

    assert place is not None
    assert numbers(place) == [1]
    sockets.close()
