"""Held sockets taken back from the runs that serve them, where nobody has kept them.

After a crash of both the supervisor and its keeper a held socket lives on in the processes of its
run. `pidfd_getfd` copies it from there, and it goes on as if it had been kept. An address whose
sockets are steered needs all of them, in the order of the kernel; and of a run that has several
addresses all are had, or none: what could not be gone on with as a whole serves on by itself.

Everything here reads many small files: it belongs in a thread.
"""

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from oxtrio.model.spec import ListenSpec
from oxtrio.system import socket_files
from oxtrio.system.group_order import in_order
from oxtrio.system.keepsakes import Keepsakes
from oxtrio.system.net_tables import endpoint_of, listening, listening_unix
from oxtrio.system.pidfd import copy_of, opened
from oxtrio.system.proc import descendants_of
from oxtrio.system.slot import kept_name


@dataclass(slots=True, eq=False)
class Holder:
    """A run that serves sockets which an earlier supervisor held."""

    roots: Sequence[int]
    """Its leader, and its main process."""
    listens: Sequence[ListenSpec]
    held: Mapping[str, int]
    """The place of its socket by address, as it was."""
    given: dict[str, int] = field(default_factory=dict)
    """And as it is now, where it is held again."""
    _open: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Which process has it open by inode, and as which descriptor."""

    def look(self, inodes: Iterable[str]) -> None:
        """Find out which of *inodes* its processes have."""
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        for pid in (*self.roots, *descendants_of(self.roots)):
            for descriptor, target in _descriptors(pid):
                if target in wanted:
                    self._open.setdefault(wanted[target], (pid, descriptor))

    def has(self, inode: str) -> bool:
        """Whether one of its processes has it open."""
        return inode in self._open

    def copy(self, inode: str) -> socket.socket:
        """A copy, which is the caller's. Raises `OSError` where we may not have it."""
        pid, descriptor = self._open[inode]
        with opened(pid) as pidfd:
            return socket.socket(fileno=copy_of(pidfd, descriptor))


@dataclass(slots=True, eq=False)
class Copy:
    """A socket that was taken back."""

    socket: socket.socket
    holders: Sequence[Holder]
    """Several, where they share it."""
    place: int = 0
    name: str = ""
    """Under which it is kept."""


Found = dict[str, list[Copy]]
"""By address."""


class Tables:
    """Who listens in this network namespace, by inode."""

    def __init__(self) -> None:
        self.tcp: dict[tuple[str, int], set[str]] = {}
        for row in listening():
            self.tcp.setdefault(row.local, set()).add(row.inode)
        self.unix = {os.path.basename(name): inode for name, inode in listening_unix()}

    @property
    def inodes(self) -> frozenset[str]:
        return frozenset(self.unix.values()).union(*self.tcp.values())


def retrieve(holders: Sequence[Holder], keepsakes: Keepsakes, *, steered: bool) -> frozenset[str]:
    """Give *keepsakes* what can be had of the sockets of *holders*, and them their places.

    *steered*: by one socket for each run. What cannot be had is left alone, without an error. The
    addresses that are held again: no place there is what it was.
    """
    tables = Tables()
    for holder in holders:
        holder.look(tables.inodes)
    kept, found = keepsakes.left(), Found()
    for listen in {str(each): each for holder in holders for each in holder.listens}.values():
        there = [holder for holder in holders if str(listen) in holder.held]
        if not any(name.startswith(kept_name(listen, "")) for name in kept):
            found[str(listen)] = _copied(listen, there, tables, steered=steered)
    _give_up_parts(found, holders)
    for address, copies in found.items():
        for each in copies:
            for holder in each.holders:
                holder.given[address] = each.place
            keepsakes.found(each.name, each.socket.detach())
    return frozenset(address for address, copies in found.items() if copies)


def _copied(
    listen: ListenSpec, there: Sequence[Holder], tables: Tables, *, steered: bool
) -> list[Copy]:
    """What can be had at *listen*, where *there* had a place; nothing where that is no use."""
    found: list[Copy] = []
    try:
        if listen.path is not None:
            _copy_path(listen, there, tables.unix, found)
        else:
            inodes = tables.tcp.get(endpoint_of((listen.host, listen.port)), set())
            _copy_port(listen, there, inodes, found, steered=steered)
    except OSError:
        _close(found)
    return found


def _copy_path(
    listen: ListenSpec, there: Sequence[Holder], unix: Mapping[str, str], found: list[Copy]
) -> None:
    """Each on its own: its name beside the path says which it is."""
    for holder in there:
        place = holder.held[str(listen)]
        token = socket_files.token_of(place)
        inode = unix.get(os.path.basename(socket_files.name_with(listen.path or "", token)), "")
        if holder.has(inode):
            found.append(Copy(holder.copy(inode), (holder,), place, kept_name(listen, token)))


def _copy_port(
    listen: ListenSpec,
    there: Sequence[Holder],
    inodes: set[str],
    found: list[Copy],
    *,
    steered: bool,
) -> None:
    """All sockets of the address, or none. A run that accepts no more may have closed its own."""
    for inode in inodes:
        holders = tuple(holder for holder in there if holder.has(inode))
        if not holders or (steered and len(holders) > 1):
            raise OSError(errno.EADDRINUSE, f"somebody else has a part of {listen}")
        found.append(Copy(holders[0].copy(inode), holders))
    is_grouped = (_is_grouped(each.socket) for each in found)
    if not all(is_grouped) if steered else len(found) > 1:
        raise OSError(errno.EINVAL, f"{listen} was held in another manner")
    order = in_order([each.socket for each in found], listen)
    for each in found:
        each.place = order.index(each.socket)
        each.name = kept_name(listen, each.place)


def _give_up_parts(found: Found, holders: Sequence[Holder]) -> None:
    """Let go of the addresses of whom not all of them can be had, and so on."""
    for holder in holders:
        asked = [str(each) for each in holder.listens if str(each) in found]
        had = [name for name in asked if any(holder in each.holders for each in found[name])]
        if had and had != asked:
            for name in had:
                _close(found[name])
            _give_up_parts(found, holders)
            return


def _close(copies: list[Copy]) -> None:
    while copies:
        copies.pop().socket.close()


def _is_grouped(member: socket.socket) -> bool:
    return bool(member.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """What *pid* has open, as /proc shows it; nothing where we may not look."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):
                yield int(name), os.readlink(f"{folder}/{name}")
