"""Control groups, version 2: which one a process is in, and what can be done with one.

No controller is ever enabled here, so the rule that a cgroup with children may have no processes
of its own (which is about controllers) does not concern us.
"""

import contextlib
import os
import re
import select
from collections.abc import Sequence
from dataclasses import dataclass

import trio


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mount of cgroup2: on hybrid systems it is beside those of version 1."""

    mount: str
    """Where it is mounted."""
    root: str
    """The cgroup that is there; in a container with its own view it is `/` as well."""
    read_only: bool = False

    def folder_of(self, pid: int | str) -> str | None:
        """The folder of the cgroup of *pid* ("self"); None where it is not below this mount."""
        path = cgroup_of(pid)
        if path is None or "/.." in path:  # outside of what our namespace shows
            return None
        root = self.root.rstrip("/")
        if path != root and not path.startswith(f"{root}/"):
            return None
        return (self.mount + path.removeprefix(root)).rstrip("/")


def hierarchies() -> list[Hierarchy]:
    """Every mount of cgroup2 that this process sees, the last one first: it covers the others."""
    found = []
    with contextlib.suppress(OSError), open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            _, _, _, root, mount, options, *_ = before.split(" ")
            kind, _, of_all = after.split(" ")[:3]
            if kind == "cgroup2":
                read_only = "ro" in {*options.split(","), *of_all.strip().split(",")}
                found.append(Hierarchy(_unescaped(mount), _unescaped(root), read_only))
    return found[::-1]


def _unescaped(text: str) -> str:
    """Blanks, tabs, line ends and backslashes are octal there (proc_pid_mountinfo(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def cgroup_of(pid: int | str) -> str | None:
    """The cgroup (version 2) of *pid*, as the kernel calls it; None where there is none."""
    with (
        contextlib.suppress(OSError),
        open(f"/proc/{pid}/cgroup", errors="surrogateescape") as file,
    ):
        for line in file:
            if line.startswith("0::"):
                return line[3:].rstrip("\n").removesuffix(" (deleted)")
    return None


class Cgroup:
    """One folder, which may be gone at any moment: then it is empty, and nothing is an error."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def is_populated(self) -> bool:
        """Whether a process lives in it, or below it. A zombie does not."""
        return b"populated 1" in _read(f"{self.folder}/cgroup.events")

    def own_pids(self) -> list[int]:
        """Who is in just this one; processes that our namespace does not show are left out."""
        return [pid for pid in map(int, _read(f"{self.folder}/cgroup.procs").split()) if pid]

    def pids(self) -> list[int]:
        """Who is in it, or below it: a run may make some of its own, as a nested oxtrio does."""
        found = self.own_pids()
        if b"nr_descendants 0\n" in _read(f"{self.folder}/cgroup.stat"):
            return found
        for inner in self._inner():
            found += inner.pids()
        return found

    def has(self, pid: int | str) -> bool:
        """Whether *pid* is in it, or below it."""
        parts = (cgroup_of(pid) or "").split("/")
        return os.path.basename(self.folder) in parts

    def take_in(self, pid: int) -> None:
        """Move a process here, with all its threads. Raises `OSError`; it may take 20 ms."""
        _write(f"{self.folder}/cgroup.procs", str(pid))

    def kill(self) -> None:
        """SIGKILL to all that is in it or below it, at once, those just being forked too."""
        if not self.has("self"):
            with contextlib.suppress(OSError):
                _write(f"{self.folder}/cgroup.kill", "1")

    def remove(self) -> bool:
        """Remove it, and what is below it, where nobody lives in it; False where somebody does."""
        for inner in self._inner():
            inner.remove()
        try:
            os.rmdir(self.folder)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    async def wait_change(self) -> None:
        """Return when its last process has ended, or the first one has come.

        At once where nobody is in it. Cancelling changes nothing.
        """
        try:
            events = os.open(f"{self.folder}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        # It is always readable; that it has changed is POLLPRI, for which Trio cannot wait, but
        # an epoll that waits for it becomes readable.
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, events)
            poll = stack.enter_context(select.epoll())
            poll.register(events, select.EPOLLPRI)
            with contextlib.suppress(OSError):
                if b"populated 1" in os.read(events, 4096):  # from here on changes are told
                    await trio.lowlevel.wait_readable(poll.fileno())

    def _inner(self) -> Sequence["Cgroup"]:
        try:
            with os.scandir(self.folder) as entries:
                return [Cgroup(entry.path) for entry in entries if entry.is_dir()]
        except OSError:
            return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
