"""File descriptors that outlive the supervisor, by name: pipes and sockets of runs."""

import os
from collections.abc import Callable, Mapping
from typing import Protocol


class Keepsakes(Protocol):
    """What the next supervisor finds when this one has died by force."""

    def keep(self, name: str, descriptor: int) -> None:
        """Keep another copy of *descriptor*, instead of what had this name before.

        Never blocks and never raises: what cannot be kept is lost after a crash, not before.
        """

    def drop(self, name: str) -> None:
        """Keep it no longer. Its copy is closed a moment later."""

    def take(self, name: str) -> int | None:
        """What an earlier supervisor has left under this name: the caller's from now on.

        Close-on-exec; it stays kept until it is dropped. None where there is nothing.
        """

    def left(self) -> tuple[str, ...]:
        """Names that an earlier supervisor has left, and that were not taken yet."""

    def found(self, name: str, descriptor: int) -> None:
        """An earlier supervisor has left *descriptor*, too, which nobody had kept.

        It is the keepsakes' from now on, until somebody takes it.
        """


class Keeper(Keepsakes, Protocol):
    """The process that keeps them, as the supervisor sees it."""

    @property
    def exits(self) -> Mapping[int, int]:
        """Wait statuses by pid: children of the keeper that ended before this supervisor came."""

    @property
    def pid(self) -> int | None:
        """Its pid; what it has for children are orphans of our runs. None: it is not there."""

    @property
    def before(self) -> tuple[int, int] | None:
        """Pid and wait status of the supervisor before this one, which has died; None: of none."""

    def greet(self) -> None:
        """Hear what it has: what was `left`, `exits`, and `before`.

        Blocks; once, before anything else. One that is gone has nothing. Raises `OxtrioError`
        where it does not answer.
        """

    async def watch(self, told: Callable[[int, int], None], asked: Callable[[int], None]) -> None:
        """Tell *told* (pid, wait status) of each child that the keeper reaps from now on.

        *asked* is told of each signal to the keeper that is meant for the supervisor. Returns
        when the keeper is gone. Cancelling ends the telling and loses none.
        """

    async def wait_dropped(self) -> None:
        """Return when all that was dropped is closed: an address can then be bound anew.

        Needs `watch` to run beside it. Returns at once where there is no keeper.
        """

    def ready(self) -> None:
        """This supervisor is up, and has adopted what there was.

        The next one need not be told of older exits. One that ends before it was ever ready is
        not started again.
        """

    def hand_on(self) -> Mapping[str, int]:
        """What the program that takes our place must find open, by name (`keeper_of`).

        Raises `OxtrioError` where the keeper does not listen.
        """

    def bye(self) -> None:
        """A clean end follows: the keeper is to end too. Waits for it for a second at most."""


class _Nothing:
    """Keeps nothing: on a terminal, as PID 1, in tests."""

    exits: Mapping[int, int] = {}
    pid: int | None = None
    before: tuple[int, int] | None = None

    def keep(self, name: str, descriptor: int) -> None: ...

    def drop(self, name: str) -> None: ...

    def take(self, name: str) -> int | None:
        return None

    def left(self) -> tuple[str, ...]:
        return ()

    def found(self, name: str, descriptor: int) -> None:
        os.close(descriptor)

    def greet(self) -> None: ...

    async def watch(
        self, told: Callable[[int, int], None], asked: Callable[[int], None]
    ) -> None: ...

    async def wait_dropped(self) -> None: ...

    def ready(self) -> None: ...

    def hand_on(self) -> Mapping[str, int]:
        return {}

    def bye(self) -> None: ...


NOTHING_KEPT: Keeper = _Nothing()
"""There is no keeper: a crash of the supervisor loses what only it holds."""
