"""Where a run listens: the place of the instance, held from one run to the next."""

from oxtrio.errors import AddressTaken, OxtrioError, SpawnFailed
from oxtrio.policy.rotation import Turn
from oxtrio.process.life import Life
from oxtrio.process.preparation import Preparation
from oxtrio.process.sockets import Place
from oxtrio.process.standing import Standing


async def find_place(standing: Standing, life: Life, preparation: Preparation) -> None:
    """See to it that the addresses of the next run are held, where they are to be.

    Raises `SpawnFailed` where an address cannot be held; what only might be held, because its
    server is known, is left alone then. Cancelling leaves everything as it was.
    """
    if preparation.place is None and preparation.serving.listens:
        find = _place if life.adopted is None else _reclaimed
        preparation.place = await find(standing, life, preparation)
    preparation.is_newcomer = life.beside
    if not life.beside:
        standing.serving = preparation.serving
        if standing.place is not preparation.place:
            standing.move_to(preparation.place)


async def _place(standing: Standing, life: Life, preparation: Preparation) -> Place | None:
    serving, before = preparation.serving, standing.place
    # Who waits in the queue of the run before waits for this one, too.
    if not life.beside and before is not None and before.listens == serving.listens:
        return before
    try:
        return await _claim(standing, life, preparation)
    except AddressTaken as error:
        raise SpawnFailed(error.message, error.hint) from error
    except OxtrioError as error:
        if preparation.spec.listen or life.beside:
            raise SpawnFailed(error.message, error.hint) from error
        preparation.leave_alone(error.message)
        return None


async def _claim(standing: Standing, life: Life, preparation: Preparation) -> Place:
    sockets, listens = preparation.surroundings.sockets, preparation.serving.listens
    name, turn = preparation.spec.name, Turn.NEWCOMER if life.beside else Turn.WANTED
    try:
        return await sockets.claim(name, listens, turn)
    except AddressTaken:
        if life.beside or standing.place is None:
            raise
    # Perhaps by itself: who holds 127.0.0.1:8000 is in the way of 0.0.0.0:8000.
    standing.move_to(None)
    return await sockets.claim(name, listens, turn)


async def _reclaimed(standing: Standing, life: Life, preparation: Preparation) -> Place | None:
    """Where the run listens that an earlier supervisor began."""
    held = dict(life.adopted.held) if life.adopted is not None else {}
    sockets, listens = preparation.surroundings.sockets, preparation.serving.listens
    return await sockets.reclaim(preparation.spec.name, listens, held)
