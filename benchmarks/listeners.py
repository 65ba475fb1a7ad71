"""Who has a listening socket, as the kernel says: not as anybody's status does."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.processes import descendants
from benchmarks.webapp import Site

_LISTENING = "0A"


def is_held(site: Site) -> bool:
    """Whether somebody outside the process group of the server has its listening socket too.

    Raises `Failed` where nobody answers.
    """
    return not set(_holders(site.port)) <= set(site.processes())


def _holders(port: int) -> Iterator[int]:
    """The processes below this one that have a socket which listens on *port*, over IPv4."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for pid in descendants():
        if sockets.intersection(_descriptors(pid)):
            yield pid


def _inodes(port: int) -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _descriptors(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                yield os.readlink(entry.path)
