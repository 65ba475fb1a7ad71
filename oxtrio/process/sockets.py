"""The addresses that oxtrio holds for apps, and where each run has its place in them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import trio

from oxtrio.errors import AddressTaken, OxtrioError
from oxtrio.model.spec import ListenSpec
from oxtrio.policy.reload import is_at
from oxtrio.policy.rotation import Turn, chosen
from oxtrio.system.groups import Group, Pids, Slot, open_group
from oxtrio.system.hold_error import hold_error
from oxtrio.system.keepsakes import NOTHING_KEPT, Keeper

LONGEST_DRAIN = 3.0
"""Seconds in which a run that leaves may go on accepting what had already arrived."""

Open = Callable[[ListenSpec], Awaitable[Group]]


class _Address:
    """One address, and all that have a place in it."""

    def __init__(self, app: str, group: Group) -> None:
        self.app = app
        self.group = group
        self.turns: dict[Place, Turn] = {}
        self.reserved: dict[int, Slot] = {}
        """Slots of runs that are about to be adopted, by their place."""
        self.rotated = trio.lowlevel.ParkingLot()
        self._serving: tuple[Place, ...] = ()

    def rotate(self) -> None:
        """Send new connections to whose turn it is now."""
        serving = chosen(self.turns)
        if serving and serving != self._serving:
            self.group.serve([place.slot_of(self) for place in serving])
        self._serving = serving
        self.rotated.unpark_all()

    async def wait_drained(self, place: "Place") -> None:
        """Return when *place* is drained, or nobody else serves the address any more."""
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def end_when_alone() -> None:
                while self.is_served_beside(place):
                    await self.rotated.park()
                nursery.cancel_scope.cancel()

            await place.slot_of(self).wait_drained()
            nursery.cancel_scope.cancel()

    def is_served_beside(self, place: "Place") -> bool:
        return bool(self._serving) and place not in self._serving

    @property
    def is_wanted(self) -> bool:
        return any(turn is not Turn.LEAVING for turn in self.turns.values())


class Place:
    """Where the runs of one instance listen: a slot of each of its addresses.

    It outlives them, so that clients wait in its queue from one run to the next.
    """

    def __init__(self, sockets: "Sockets", turn: Turn) -> None:
        self._sockets = sockets
        self._slots: dict[_Address, Slot] = {}
        self.turn = turn
        self.occupied = False
        """A run of it lives, or a part of one."""

    @property
    def listens(self) -> tuple[ListenSpec, ...]:
        """Its addresses, in the order of the descriptors that a run gets."""
        return tuple(address.group.listen for address in self._slots)

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(address.group for address in self._slots)

    @property
    def held(self) -> tuple[tuple[str, int], ...]:
        """Its addresses, and the index of its slot in each: what its next owner must know."""
        return tuple(
            (str(address.group.listen), slot.place) for address, slot in self._slots.items()
        )

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a run inherits; they stay ours."""
        return tuple(slot.fileno() for slot in self._slots.values())

    @property
    def slots(self) -> Sequence[Slot]:
        return tuple(self._slots.values())

    def slot_of(self, address: _Address) -> Slot:
        return self._slots[address]

    async def connect(self, host: str, port: int, pids: Pids) -> trio.SocketStream | None:
        """A connection to the run that listens here, one of whose processes are *pids*.

        None where a client of *host* and *port* on this machine would not come here. On a socket
        that runs share it tries until one of *pids* was the first to accept; the caller brings
        the timeout. Raises `OSError`. Cancelling closes it.
        """
        here = (each for each in self._slots if is_at(each.group.listen, host, port))
        return await self._connect(next(here, None), pids)

    async def connect_path(self, path: str, pids: Pids) -> trio.SocketStream | None:
        """The same for the Unix socket at *path*."""
        here = (each for each in self._slots if each.group.listen.path == path)
        return await self._connect(next(here, None), pids)

    async def _connect(self, address: _Address | None, pids: Pids) -> trio.SocketStream | None:
        if address is None:
            return None
        slot = self._slots[address]
        if address.group.steered:
            return await slot.connect()
        while True:
            stream = await slot.connect()
            try:
                await slot.wait_accepted(stream, pids)
                return stream
            except ConnectionAbortedError:
                await trio.aclose_forcefully(stream)  # what another one says of itself is no answer
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise

    def move(self, turn: Turn) -> None:
        """Take another turn, from this instant. LEAVING is final."""
        if self.turn is Turn.LEAVING or turn is self.turn:
            return
        self.turn = turn
        for address in self._slots:
            address.turns[self] = turn
            address.rotate()
        if turn is Turn.LEAVING and not self.occupied:
            self._release()
        self._sockets.close_unwanted()

    def enter(self) -> None:
        """A run begins here."""
        self.occupied = True

    def exit(self) -> None:
        """The run is over; the place stays for the next one unless it is being left."""
        self.occupied = False
        if self.turn is Turn.LEAVING:
            self._release()

    async def wait_drained(self) -> None:
        """Return when what had arrived here is accepted, at most `LONGEST_DRAIN` later.

        At once for addresses that nobody else serves: there the clients wait for the next run.
        Cancelling ends the waiting.
        """
        with trio.move_on_after(LONGEST_DRAIN):
            async with trio.open_nursery() as nursery:
                for address in self._slots:
                    nursery.start_soon(address.wait_drained, self)

    def add(self, address: _Address, slot: Slot) -> None:
        """Have a slot there too; whoever claims the place calls it."""
        self._slots[address] = slot
        address.turns[self] = self.turn
        address.rotate()

    def forsake(self) -> None:
        """Have no slot any more; whoever serves from one goes on, with clients in its queue."""
        for address in self._slots:
            address.turns.pop(self, None)
        self._slots.clear()

    def _release(self) -> None:
        for address, slot in self._slots.items():
            address.turns.pop(self, None)
            slot.release()


class Sockets:
    """All addresses that one supervisor holds."""

    def __init__(self, open_: Open) -> None:
        self._open = open_
        self._held: dict[str, _Address] = {}
        self._opening: set[str] = set()
        self._opened = trio.lowlevel.ParkingLot()
        self._reserved: dict[str, list[int]] = {}

    def reserve(self, held: Iterable[tuple[str, int]]) -> None:
        """Nobody but who reclaims these slots may have them. Before any address is opened."""
        for name, index in held:
            self._reserved.setdefault(name, []).append(index)

    async def claim(self, app: str, listens: Sequence[ListenSpec], turn: Turn) -> Place:
        """A new place at all of *listens*, which are held from now on.

        Raises `AddressTaken`, or another `OxtrioError` where an address cannot be held; then,
        and when cancelled, nothing is held that was not before.
        """
        place = Place(self, turn)
        try:
            for listen in listens:
                address = await self._address(app, listen)
                place.add(address, await _slot(address.group))
        except BaseException:
            place.move(Turn.LEAVING)
            self.close_unwanted()
            raise
        return place

    async def reclaim(
        self, app: str, listens: Sequence[ListenSpec], held: Mapping[str, int]
    ) -> Place | None:
        """The place of a run that an earlier supervisor began, whose slots are *held*.

        None where its sockets were not kept: it serves on, and its address is not held until
        its next run. Raises nothing but cancellation.
        """
        if not all(str(listen) in held for listen in listens):
            return None
        place = Place(self, Turn.WANTED)
        try:
            for listen in listens:
                address = await self._address(app, listen)
                index = held[str(listen)]
                slot = address.reserved.pop(index, None) or address.group.take_at(index)
                if slot is None:
                    raise OxtrioError(f"the socket of {listen} was not kept")
                place.add(address, slot)
        except OxtrioError:
            place.forsake()
            self.close_unwanted()
            return None
        return place

    def close_unwanted(self) -> None:
        """Close the addresses that nobody is wanted at any more: clients are refused again."""
        for name, address in list(self._held.items()):
            if not address.is_wanted:
                del self._held[name]
                address.group.close()

    def close(self) -> None:
        """Close all of them."""
        for address in self._held.values():
            address.group.close()
        self._held.clear()

    async def _address(self, app: str, listen: ListenSpec) -> _Address:
        name = str(listen)
        while name in self._opening:  # by another instance of the app
            await self._opened.park()
        address = self._held.get(name)
        if address is None:
            self._opening.add(name)
            try:
                address = self._held[name] = _Address(app, await self._open(listen))
                for index in self._reserved.pop(name, ()):
                    if (slot := address.group.take_at(index)) is not None:
                        address.reserved[index] = slot
            finally:
                self._opening.discard(name)
                self._opened.unpark_all()
        elif address.app != app:
            raise AddressTaken(f"{name} is held for {address.app} already")
        return address


async def _slot(group: Group) -> Slot:
    """A slot that nobody has. Raises `OxtrioError` where there can be none."""
    try:
        return group.take()
    except OSError as error:
        trouble = error
    raise await hold_error(group.listen, trouble)


def open_sockets(*, steered: bool, keepsakes: Keeper = NOTHING_KEPT) -> Sockets:
    """Nothing is held yet. *steered*: by one socket for each run, where the kernel can do that.

    What is held goes to *keepsakes*, and what is found there is held again.
    """

    async def open_(listen: ListenSpec) -> Group:
        await keepsakes.wait_dropped()  # another copy of what was held there may be open yet
        return await open_group(listen, steered=steered, keepsakes=keepsakes)

    return Sockets(open_)
