"""Who listens on an address, as far as this user may see it.

What a process is, psutil tells. Who has a socket is read from /proc/net, as
`psutil.net_connections` leaves out what matters here: the user of a socket whose process may
not be looked at; the master, where workers share its socket (it names the last worker); and
which Unix sockets listen, or have a space in their path.

Everything here reads many small files: it belongs in a thread.
"""

import os
from contextlib import suppress

import psutil

from oxtrio.model.listener import Listener
from oxtrio.system.net_tables import listening, listening_unix
from oxtrio.system.proc import all_pids, stat_of

LONGEST_COMMAND = 4096


def owner_of(port: int, host: str | None = None) -> Listener | None:
    """The process that keeps others from listening on *port* of *host* (None: any address).

    None where nobody listens there in this network namespace. A listener on all addresses
    stands in the way of every host, and a wish for all addresses meets every listener.
    """
    rows = [row for row in listening() if row.local[1] == port and _collide(row.local[0], host)]
    if not rows:
        return None
    row = next((row for row in rows if row.local[0] == host), rows[0])
    taken, _ = row.local
    shown = f"[{taken}]:{port}" if ":" in taken else f"{taken}:{port}"
    return describe(shown, _holder(f"socket:[{row.inode}]"), row.uid)


def unix_owner(path: str) -> Listener | None:
    """The process that listens on the Unix socket at *path*; "@name" is an abstract one."""
    for name, inode in listening_unix():
        if name == path:
            return describe(path, _holder(f"socket:[{inode}]"), None)
    return None


def _collide(taken: str, wanted: str | None) -> bool:
    if wanted is None or wanted == taken:
        return True
    if wanted == "localhost":
        return taken in ("127.0.0.1", "::1", "0.0.0.0", "::")
    everywhere = {"0.0.0.0", "::"}
    return taken in everywhere or wanted in everywhere


def describe(address: str, pid: int | None, uid: int | None) -> Listener:
    """The process *pid*, as far as it may be seen, which is known to listen on *address*."""
    name, command = "", ""
    # It may be gone by now; what was learned before stays true.
    with suppress(psutil.Error):
        if pid is not None:
            process = psutil.Process(pid)
            with process.oneshot():
                uid = process.uids().effective if uid is None else uid
                name, command = process.name(), _shown(process.cmdline())
    return Listener(address=address, pid=pid, uid=uid, name=name, command=command)


def _shown(words: list[str]) -> str:
    line = " ".join(words)[:LONGEST_COMMAND].strip()
    return line.encode(errors="surrogateescape").decode(errors="replace")


def _holder(link: str) -> int | None:
    """The oldest process that has *link* open: a master, where its workers share it."""
    return min((pid for pid in all_pids() if has_open(pid, link)), key=_age, default=None)


def has_open(pid: int, link: str) -> bool:
    """Whether *pid* has the file open that /proc shows as *link*; False where we may not see it."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as files:
            return any(_target(file.path) == link for file in files)
    except OSError:
        return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _age(pid: int) -> tuple[int, int]:
    stat = stat_of(pid)
    return (stat.started if stat else 0, pid)
