"""Whether we may make cgroups below our own one, and if not, why.

Cgroups have one writer each: who makes folders below one that somebody else manages has them
moved, emptied or removed under its hands. So ours are made where that is settled:

- under systemd, below a unit with `Delegate=yes` alone. A service without it, and the session of
  an ssh login (a scope that logind has asked for), are systemd's own; what is made there works
  until systemd moves processes as it sees fit, and its rules forbid it.
- as PID 1 of a container the root of our own view is ours, where it can be written; engines mount
  it read-only unless they are told otherwise.
- where no systemd manages the machine, wherever we may write. Moving a process takes the right
  to write `cgroup.procs` of the folder above where it comes from and where it goes: our own.
- a normal user may write below what systemd has given that user, and nowhere else.

`cgroup.kill` exists since Linux 5.14. A threaded cgroup has no ordinary ones below it.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from oxtrio.system.cgroup import Hierarchy, hierarchies

SYSTEMD = "/run/systemd/system"
"""Is there where systemd manages the machine (sd_booted(3))."""
UNITS = (".service", ".scope", ".slice", ".socket", ".mount", ".swap")
MARKS = ("user.delegate", "trusted.delegate")
"""Attributes by which systemd says that it has delegated a cgroup (the first one since v251)."""

AS_SERVICE = (
    "run it below a unit with Delegate=yes, e.g.: systemd-run --scope -p Delegate=yes oxtrio start"
    " (a normal user: systemd-run --user …)"
)
AS_USER = "have root make a cgroup that this user may write to, and start oxtrio in it"
AS_CONTAINER = "give the container a cgroup that it may write to, where that matters"


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder below which cgroups can be made."""

    hierarchy: Hierarchy
    folder: str


@dataclass(frozen=True, slots=True)
class NoGround:
    """There is none."""

    why: str
    hint: str = ""


def find_ground() -> Ground | NoGround:
    """Where our cgroups can be; found out by making one, which is removed again."""
    found = hierarchies()
    if not found:
        return NoGround("there is no cgroup v2 here")
    for hierarchy in found:
        folder = hierarchy.folder_of("self")
        if folder is not None:
            return _try(hierarchy, folder)
    return NoGround("its own cgroup is not visible here", AS_CONTAINER)


def _try(hierarchy: Hierarchy, folder: str) -> Ground | NoGround:
    if hierarchy.read_only:
        return NoGround(f"{hierarchy.mount} is mounted read-only", AS_CONTAINER)
    if os.path.isdir(SYSTEMD) and not _is_delegated(hierarchy, folder):
        return NoGround(f"{folder} is systemd's, which has not delegated it", AS_SERVICE)
    try:
        return _trial(hierarchy, folder)
    except OSError as error:
        hint = AS_SERVICE if os.path.isdir(SYSTEMD) else AS_USER
        hint = AS_CONTAINER if error.errno == errno.EROFS else hint
        return NoGround(f"{folder} cannot be written to: {error.strerror}", hint)


def _trial(hierarchy: Hierarchy, folder: str) -> Ground | NoGround:
    trial = f"{folder}/oxtrio-trial-{os.getpid()}"
    os.mkdir(trial)
    try:
        if not os.path.exists(f"{trial}/cgroup.kill"):
            return NoGround("this kernel has no cgroup.kill, which came with Linux 5.14")
        with open(f"{trial}/cgroup.type") as file:
            if file.read().strip() != "domain":
                return NoGround(f"{folder} is for threads")
        if not os.access(f"{folder}/cgroup.procs", os.W_OK, effective_ids=True):
            return NoGround(f"no process may be moved from {folder}", AS_USER)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(trial)
    return Ground(hierarchy, folder)


def _is_delegated(hierarchy: Hierarchy, folder: str) -> bool:
    """Whether the unit that *folder* belongs to has been given away by systemd."""
    for each in _upwards(folder, hierarchy.mount):
        if any(_attribute(each, mark) == b"1" for mark in MARKS):
            return True
        if each.endswith(UNITS):  # one above it may have been given to the systemd of a user
            return _was_given_to_us(each)
    return False


def _was_given_to_us(unit: str) -> bool:
    """The same for a systemd that sets no attribute that a normal user can read."""
    mine = os.geteuid()
    try:
        return mine != 0 and os.stat(unit).st_uid == mine != os.stat(os.path.dirname(unit)).st_uid
    except OSError:
        return False


def _upwards(folder: str, top: str) -> Iterator[str]:
    while len(folder) > len(top):
        yield folder
        folder = os.path.dirname(folder)


def _attribute(folder: str, name: str) -> bytes:
    try:
        return os.getxattr(folder, name)
    except OSError:
        return b""
