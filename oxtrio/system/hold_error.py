"""Why an address cannot be held, in words that tell the operator what to do next."""

import errno
import os
import re
from contextlib import suppress

from oxtrio.errors import AddressTaken, OxtrioError, Refused
from oxtrio.model.listener import Listener
from oxtrio.model.spec import ListenSpec
from oxtrio.system.accepting import in_thread
from oxtrio.system.listeners import describe, owner_of, unix_owner
from oxtrio.system.proc import environ_of
from oxtrio.system.socket_files import listener_at

FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
"""Ports below this one are for root (or CAP_NET_BIND_SERVICE); since Linux 4.11."""

TCP_REASONS = {
    errno.EADDRNOTAVAIL: ("this machine has no such address", "ip address"),
    errno.EAFNOSUPPORT: ("this system has no IPv6", 'an IPv4 address, such as "0.0.0.0:8000"'),
}
UNIX_REASONS = {
    errno.ENOENT: ("its folder does not exist", "mkdir -p {folder}"),
    errno.ENOTDIR: ("its folder is none", "ls -ld {folder}"),
    errno.ENOTSOCK: ("there is something that is no socket", "move it away: mv {path} {path}.old"),
    errno.EROFS: ("its folder is read-only", "a path in another folder"),
}


async def hold_error(listen: ListenSpec, error: OSError) -> OxtrioError:
    """What *error* means for who wants to hold *listen*; who has it is looked up in a thread.

    Cancelling changes nothing.
    """
    if error.errno == errno.EADDRINUSE:
        return _taken(listen, await in_thread(_owner, listen))
    if error.errno in (errno.EACCES, errno.EPERM):
        return _refused(listen)
    reasons = TCP_REASONS if listen.path is None else UNIX_REASONS
    usual = (error.strerror or str(error)).lower()
    why, hint = reasons.get(error.errno or 0, (usual, ""))
    folder = os.path.dirname(listen.path or "")
    return OxtrioError(f"cannot hold {listen}: {why}", hint.format(path=listen.path, folder=folder))


def _refused(listen: ListenSpec) -> Refused:
    if listen.path is not None:
        return Refused(
            f"cannot hold {listen}: permission denied",
            hint=f"ls -ld {os.path.dirname(listen.path)} {listen.path}",
        )
    return Refused(
        f"cannot hold {listen}: ports below {_first_free_port()} are for root",
        hint=f"sudo sysctl net.ipv4.ip_unprivileged_port_start={listen.port}",
    )


def _first_free_port() -> int:
    with suppress(OSError, ValueError), open(FIRST_FREE_PORT) as file:
        return int(file.read())
    return 1024


def _owner(listen: ListenSpec) -> Listener | None:
    if listen.path is None:
        return owner_of(listen.port, listen.host)
    # The table has the name with which it was made, so it misses one that was moved there.
    if (named := unix_owner(listen.path)) is not None:
        return named
    peer = listener_at(listen.path)
    return describe(listen.path, peer.pid, peer.uid) if peer is not None else None


def _taken(listen: ListenSpec, owner: Listener | None) -> AddressTaken:
    message = f"cannot hold {listen}: the address is in use"
    if owner is None:
        return AddressTaken(message, hint=_look(listen))
    if owner.pid is None:
        return AddressTaken(f"{message} by a process of uid {owner.uid}", hint=_look(listen))
    if owner.pid == os.getpid():
        return AddressTaken(
            f"{message} by another app of this project", hint="give one of them another address"
        )
    project = _project_of(owner.command)
    if project:
        return AddressTaken(
            f"{message} by another project of oxtrio, {project} (pid {owner.pid})",
            hint=f"oxtrio -c {project} stop, or choose another address",
        )
    does = f", `{owner.command}`" if owner.command else ""
    return AddressTaken(
        f"{message} by {owner.name or 'a process'} (pid {owner.pid}){does}",
        hint=f"{_way_to_end(owner.pid)}, or choose another address",
    )


def _way_to_end(pid: int) -> str:
    """What frees the address. It may be an app of ours, which a crash has left without its slot."""
    environ = environ_of(pid)
    keys = (b"OXTRIO_NAME", b"OXTRIO_CONFIG")
    name, config = (os.fsdecode(environ.get(key, b"")) for key in keys)
    if name and config:
        app = name.partition(":")[0]
        return f"oxtrio -c {config} restart {app}  (where a crash has left it so)"
    return f"kill {pid}  (if that process is not needed)"


def _project_of(command: str) -> str:
    """The oxfile of a supervisor in the background, as its command line shows it; else ""."""
    _, is_supervisor, request = command.partition(" --supervise ")
    found = re.search(r'"files": \["([^"]+)"', request) if is_supervisor else None
    return found[1] if found else ""


def _look(listen: ListenSpec) -> str:
    if listen.path is not None:
        return f"ss -lxp src {listen.path}"
    return f"ss -tnap 'sport = :{listen.port}'"
