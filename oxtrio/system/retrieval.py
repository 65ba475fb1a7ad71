"""Held sockets taken back from the runs that serve them, where nobody has kept them.

After a crash of both the supervisor and its keeper a held socket lives on in the processes of its
run. `pidfd_getfd` copies it from there, and it goes on as if it had been kept. What can only be
held as a whole is left as it is where a part of it cannot be had: an address whose sockets are
steered needs all of them, in the order of the kernel.

Everything here reads many small files: it belongs in a thread.
"""

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


@dataclass(slots=True)
class Holder:
    """A run that serves sockets which an earlier supervisor held."""

    roots: Sequence[int]
    """Its leader, and its main process."""
    listens: Sequence[ListenSpec]
    held: dict[str, int]
    """The place of its socket by address; `retrieve` writes the new ones here."""
    sockets: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Which process has it open by inode, and as which descriptor."""

    def look(self, inodes: Iterable[str]) -> None:
        """Find out which of *inodes* its processes have."""
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        for pid in (*self.roots, *descendants_of(self.roots)):
            for descriptor, target in _descriptors(pid):
                if target in wanted:
                    self.sockets.setdefault(wanted[target], (pid, descriptor))


def retrieve(holders: Sequence[Holder], keepsakes: Keepsakes, *, steered: bool) -> None:
    """Give *keepsakes* what can be had of the sockets of *holders*, and them their places.

    *steered*: by one socket for each run. What cannot be had is left alone, without an error.
    """
    tcp: dict[tuple[str, int], set[str]] = {}
    for row in listening():
        tcp.setdefault(row.local, set()).add(row.inode)
    unix = {os.path.basename(name): inode for name, inode in listening_unix()}
    for holder in holders:
        holder.look([*(inode for inodes in tcp.values() for inode in inodes), *unix.values()])
    kept = keepsakes.left()
    for listen in {str(each): each for holder in holders for each in holder.listens}.values():
        if any(name.startswith(kept_name(listen, "")) for name in kept):
            continue
        there = [holder for holder in holders if str(listen) in holder.held]
        with suppress(OSError):
            if listen.path is not None:
                _retrieve_path(listen, there, unix, keepsakes)
            else:
                inodes = tcp.get(endpoint_of((listen.host, listen.port)), set())
                _retrieve_port(listen, there, inodes, keepsakes, steered=steered)


def _retrieve_path(
    listen: ListenSpec, there: Sequence[Holder], unix: Mapping[str, str], keepsakes: Keepsakes
) -> None:
    """Each on its own: its name beside the path says which it is."""
    for holder in there:
        token = socket_files.token_of(holder.held[str(listen)])
        name = os.path.basename(socket_files.name_with(listen.path or "", token))
        pid, descriptor = holder.sockets.get(unix.get(name, ""), (0, 0))
        if pid:
            keepsakes.found(kept_name(listen, token), _copied(pid, descriptor).detach())


def _retrieve_port(
    listen: ListenSpec,
    there: Sequence[Holder],
    inodes: set[str],
    keepsakes: Keepsakes,
    *,
    steered: bool,
) -> None:
    """All sockets of the address, or none."""
    owners = {inode: holder for holder in there for inode in holder.sockets if inode in inodes}
    is_whole = owners.keys() == inodes and len(owners) == (len(there) if steered else 1)
    if not is_whole:
        return
    copies: dict[socket.socket, Holder] = {}
    try:
        for inode, holder in owners.items():
            copies[_copied(*holder.sockets[inode])] = holder
        if steered and not all(map(_is_grouped, copies)):
            return
        for place, copy in enumerate(in_order(list(copies), listen)):
            copies[copy].held[str(listen)] = place
            keepsakes.found(kept_name(listen, place), copy.detach())
    finally:
        for copy in copies:
            copy.close()


def _copied(pid: int, descriptor: int) -> socket.socket:
    with opened(pid) as pidfd:
        return socket.socket(fileno=copy_of(pidfd, descriptor))


def _is_grouped(member: socket.socket) -> bool:
    return bool(member.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """What *pid* has open, as /proc shows it; nothing where we may not look."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):
                yield int(name), os.readlink(f"{folder}/{name}")
