"""What a program hands on to the one that takes its place in the same process (execve(2)).

Children, pid, parent, working directory, umask and environment stay as they are. Everything else
has to be handed on: a text, in a file that exists in memory only, and descriptors, which keep
their numbers. Signals wait meanwhile: mask and pending ones stay, too.
"""

import os
import signal
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import NoReturn

VARIABLE = "OXTRIO_HANDOVER"
"""The number of the descriptor with the text."""
KEPT = "keep/"
"""Before the names of what a `Carrier` has."""
LARGEST = 1 << 28
"""Bytes of a text that are believed."""


def become(
    command: Sequence[str], environ: Mapping[str, str], text: bytes, descriptors: Iterable[int]
) -> NoReturn:
    """Become *command*, which finds *text* by `handed_over`, and *descriptors* open.

    In the main thread only; all other threads end. Raises `OSError`, and then everything is as
    it was.
    """
    page, given = page_of(text), tuple(descriptors)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for descriptor in (*given, page):
            os.set_inheritable(descriptor, True)
        os.execve(command[0], list(command), {**environ, VARIABLE: str(page)})
    finally:
        for descriptor in given:
            with suppress(OSError):
                os.set_inheritable(descriptor, False)
        os.close(page)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def page_of(text: bytes) -> int:
    """A descriptor of a file in memory that holds *text*; the caller's. Raises `OSError`."""
    page = os.memfd_create("oxtrio-handover", os.MFD_CLOEXEC)
    try:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(page, rest) :]
    except OSError:
        os.close(page)
        raise
    return page


def handed_over(environ: MutableMapping[str, str]) -> bytes | None:
    """The text that this program was given, as *environ* says, which is made to forget it.

    None where there is none: it was started, and did not take another one's place.
    """
    number = environ.pop(VARIABLE, "")
    try:
        page = int(number)
        size = min(os.fstat(page).st_size, LARGEST)
        text = os.pread(page, size, 0)
        os.close(page)
    except (ValueError, OSError):
        return None
    return text


class Carrier:
    """Keepsakes that no process keeps: they go to the program that takes our place, no further.

    What is kept is remembered by its number, so it must be dropped before it is closed.
    """

    exits: Mapping[int, int] = {}
    pid: int | None = None
    before: tuple[int, int] | None = None

    def __init__(self, left: Mapping[str, int] | None = None) -> None:
        """*left* is what the program before us has handed on."""
        self._kept: dict[str, int] = {}
        self._left = dict(left or {})
        for descriptor in self._left.values():
            os.set_inheritable(descriptor, False)

    def keep(self, name: str, descriptor: int) -> None:
        self._kept[name] = descriptor

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)
        if name in self._left:
            os.close(self._left.pop(name))

    def take(self, name: str) -> int | None:
        descriptor = self._left.pop(name, None)
        if descriptor is not None:
            self._kept[name] = descriptor
        return descriptor

    def left(self) -> tuple[str, ...]:
        return tuple(self._left)

    def found(self, name: str, descriptor: int) -> None:
        self.drop(name)
        self._left[name] = descriptor

    def greet(self) -> None: ...

    async def watch(self, told: object, asked: object) -> None: ...

    async def wait_dropped(self) -> None: ...

    def ready(self) -> None: ...

    def hand_on(self) -> Mapping[str, int]:
        return {f"{KEPT}{name}": each for name, each in {**self._left, **self._kept}.items()}

    def bye(self) -> None: ...
