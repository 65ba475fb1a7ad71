"""The supervisor's end of the socket to its keeper (oxtrio/keeper.py says what goes over it)."""

import contextlib
import errno
import fcntl
import os
import socket
from array import array
from collections.abc import Callable, Mapping, MutableMapping
from typing import NoReturn

import trio

from oxtrio.errors import OxtrioError
from oxtrio.system.descriptors import RESERVED, FileLimit
from oxtrio.system.handover import KEPT, Carrier
from oxtrio.system.keepsakes import Keeper
from oxtrio.system.unixsocket import peer_of

VARIABLE = "OXTRIO_KEEPER"
"""The number of our descriptor, from who has started us."""
HANDED = "keeper"
"""The name of our descriptor, where one program takes the place of another."""
PATIENCE = 30.0
"""Seconds that a keeper may take for its next word while it tells what it has."""
FAREWELL = 1.0
"""Seconds in which there is room for the last word."""
MESSAGE = 65_536
RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
ROOM = socket.CMSG_LEN(array("i").itemsize)
"""For one descriptor."""


def _ignore(number: int) -> None:
    """For who is not interested in signals."""


class KeeperLink:
    """The keeper that has started us, and what it has for us."""

    def __init__(self, sock: socket.socket) -> None:
        """Nothing is said before `greet`."""
        sock.setblocking(False)
        self._socket = sock
        self.pid: int | None = peer_of(sock).pid
        self.exits: dict[int, int] = {}
        self.before: tuple[int, int] | None = None
        self._left: dict[str, int] = {}
        self._carried = Carrier()
        """The same once more: a program that takes our place when the keeper is gone needs it."""
        self._unsaid: dict[str, tuple[str, int | None]] = {}
        """What there was no room for, by what it is about: the words, and a descriptor."""
        self._more = trio.Event()
        self._asked = self._answered = 0
        self._heard = trio.lowlevel.ParkingLot()
        self._early: list[int] = []
        """Signals that came before somebody watched."""

    def greet(self) -> None:
        FileLimit().raise_own()  # what it has may be more than we may open now
        self._socket.settimeout(PATIENCE)
        try:
            self._send("here", None)
            while self.pid is not None and self._hear_greeting() != "done":
                pass
        except TimeoutError:
            # Without it nobody would take note of our end, and start what was stopped again.
            raise OxtrioError(f"the keeper (pid {self.pid}) does not answer") from None
        finally:
            self._socket.setblocking(False)

    def keep(self, name: str, descriptor: int) -> None:
        self._carried.keep(name, descriptor)
        self._say(name, f"keep {name}", descriptor)

    def drop(self, name: str) -> None:
        self._carried.drop(name)
        if name in self._left:
            os.close(self._left.pop(name))
        self._say(name, f"drop {name}")

    def take(self, name: str) -> int | None:
        descriptor = self._left.pop(name, None)
        if descriptor is not None:
            self._carried.keep(name, descriptor)
        return descriptor

    def left(self) -> tuple[str, ...]:
        return tuple(self._left)

    def found(self, name: str, descriptor: int) -> None:
        self.drop(name)
        self._left[name] = descriptor
        self._say(name, f"keep {name}", descriptor)

    async def watch(
        self, told: Callable[[int, int], None], asked: Callable[[int], None] = _ignore
    ) -> None:
        for number in self._early:
            asked(number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_room)
            while self.pid is not None:
                await trio.lowlevel.wait_readable(self._socket)
                self._hear(told, asked)
            nursery.cancel_scope.cancel()

    async def wait_dropped(self) -> None:
        self._asked += 1
        number = self._asked
        self._say("\0ping", f"ping {number}")
        while self.pid is not None and self._answered < number:
            await self._heard.park()

    def ready(self) -> None:
        self._say("\0ready", "ready")

    def hand_on(self) -> Mapping[str, int]:
        self._socket.settimeout(FAREWELL)
        self._flush()
        self._socket.setblocking(False)
        if self._unsaid:
            raise OxtrioError(f"the keeper (pid {self.pid}) does not answer")
        if self.pid is not None:
            return {HANDED: self._socket.fileno()}
        left = {f"{KEPT}{name}": each for name, each in self._left.items()}
        return {**left, **self._carried.hand_on()}

    def bye(self) -> None:
        self._socket.settimeout(FAREWELL)
        self._say("\0bye", "bye")
        self._socket.setblocking(False)

    def _say(self, about: str, text: str, descriptor: int | None = None) -> None:
        """Say it, or note that it has to be said when there is room, instead of what was noted."""
        if self.pid is None:
            return
        self._forget(about)
        self._flush()
        if not self._unsaid and self._send(text, descriptor):
            return
        copy = None
        if descriptor is not None:
            try:
                copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, RESERVED.stop)
            except OSError:
                text = f"drop {about}"  # an older one of this name would be a wrong one
        self._unsaid[about] = text, copy
        self._more.set()

    def _flush(self) -> None:
        for about, (text, descriptor) in list(self._unsaid.items()):
            if not self._send(text, descriptor):
                return
            self._forget(about)

    def _forget(self, about: str) -> None:
        _, descriptor = self._unsaid.pop(about, ("", None))
        if descriptor is not None:
            os.close(descriptor)

    def _send(self, text: str, descriptor: int | None) -> bool:
        """Whether it has been said, or never can be; else there is no room for it now."""
        given = [] if descriptor is None else [(*RIGHTS, array("i", [descriptor]))]
        try:
            self._socket.sendmsg([os.fsencode(text)], given, socket.MSG_NOSIGNAL)
        except (BlockingIOError, TimeoutError):
            return False
        except ConnectionError:
            self._lose()
        except OSError:
            pass  # too many of them are on their way: this one is lost after a crash
        return True

    def _hear_greeting(self) -> str:
        word, rest, given = self._receive()
        if word == "have" and given is not None:
            self._left[rest] = given
        elif word == "exit":
            pid, status = map(int, rest.split())
            self.exits[pid] = status
        elif word == "before":
            pid, status = map(int, rest.split())
            self.before = pid, status
        elif word == "signal":
            self._early.append(int(rest))
        return word

    def _hear(self, told: Callable[[int, int], None], asked: Callable[[int], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.pid is not None:
                word, rest, given = self._receive()
                if given is not None:
                    os.close(given)
                if word == "exit":
                    pid, status = map(int, rest.split())
                    told(pid, status)
                elif word == "signal":
                    asked(int(rest))
                elif word == "pong":
                    self._answered = int(rest)
                    self._heard.unpark_all()

    def _receive(self) -> tuple[str, str, int | None]:
        """The next message: its first word, the rest, and a descriptor that is ours now.

        Raises `BlockingIOError` or `TimeoutError` where none comes.
        """
        data = b""
        given = array("i")
        with contextlib.suppress(ConnectionError):
            # socket.recv_fds of Python 3.11 forgets the flags: they could be inherited.
            data, rights, _, _ = self._socket.recvmsg(MESSAGE, ROOM, socket.MSG_CMSG_CLOEXEC)
            for _, _, descriptors in rights:
                given.frombytes(descriptors)
        if not data:
            self._lose()
        word, _, rest = os.fsdecode(data).partition(" ")
        return word, rest, given[0] if given else None

    def _lose(self) -> None:
        """The keeper is gone: what we have goes on without it."""
        self.pid = None
        for about in list(self._unsaid):
            self._forget(about)
        self._heard.unpark_all()

    async def _watch_room(self) -> NoReturn:
        while True:
            await self._more.wait()
            while self._unsaid:
                await trio.lowlevel.wait_writable(self._socket)
                self._flush()
            self._more = trio.Event()


def find_keeper(environ: MutableMapping[str, str]) -> Keeper:
    """The keeper that has started this process, as *environ* says, which is made to forget it.

    Nobody that we start inherits the way to it. Where none is named that is one: nothing is
    kept, but what goes to a program that takes our place.
    """
    try:
        return _link_of(int(environ.pop(VARIABLE, "")))
    except (ValueError, OSError):
        return Carrier()


def keeper_of(handed: Mapping[str, int]) -> Keeper:
    """The keeper, or what goes on without one, of the program whose place we have taken."""
    if HANDED in handed:
        with contextlib.suppress(OSError):
            return _link_of(handed[HANDED])
    there = len(KEPT)
    return Carrier({name[there:]: each for name, each in handed.items() if name.startswith(KEPT)})


def _link_of(descriptor: int) -> KeeperLink:
    os.set_inheritable(descriptor, False)
    sock = socket.socket(fileno=descriptor)
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
        sock.detach()  # this is something else, and not ours
        raise OSError(errno.ENOTSOCK, "not a way to a keeper")
    return KeeperLink(sock)
