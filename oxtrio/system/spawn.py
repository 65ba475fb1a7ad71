"""One new process: everything that must be right before its first instruction.

`subprocess.Popen` is called synchronously in the main thread, so that its caller can register
the pid in the same tick. No `preexec_fn`: it costs a full fork. What only we may set (a higher
hard limit, a lower oom_score_adj for another user) is set from outside, while a line of shell
waits at a gate.
"""

import contextlib
import fcntl
import os
import resource
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from oxtrio.system.birthmark import inherited
from oxtrio.system.descriptors import GATE, RESERVED, FileLimit
from oxtrio.system.identity import Identity
from oxtrio.system.spawn_errors import explain_spawn_error

# The app is `exec`ed by the shell that waited, so that it is the leader itself.
GATED = 'read -r line <&9; exec 9<&-; eval "$line" || exit 126; exec "$@"'

# LISTEN_PID must be the pid of who gets the sockets, which only that process itself can tell.
LISTENING = 'LISTEN_PID=$$ exec "$@"'

ULIMITS = {
    "nofile": ("n", 1),
    "cpu": ("t", 1),
    "core": ("c", 512),
    "fsize": ("f", 512),
    "stack": ("s", 1024),
    "data": ("d", 1024),
    "as": ("v", 1024),
}
"""Limits that every shell can set: letter, and bytes of one unit (POSIX `ulimit`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process to be: complete, nothing is looked up later."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(repr=False)
    stdout: int
    """Descriptor for the new process, blocking."""
    stderr: int
    identity: Identity | None = None
    umask: int = -1
    nice: int | None = None
    oom_score_adj: int | None = None
    rlimits: tuple[tuple[str, int, int], ...] = ()
    sockets: tuple[int, ...] = ()
    """Listening sockets that it gets as descriptors 3, 4, …; they stay ours too."""
    listen_pid: bool = False
    """Whether it is told that they are meant for it (`LISTEN_PID`)."""
    run_id: str = ""
    """The run that begins with it: all that stems from it has its birthmark."""

    @property
    def gated(self) -> bool:
        """Whether something must be set from outside before the program starts."""
        wanted = self.nice is not None or self.oom_score_adj is not None
        return wanted or bool(self.rlimits)


def spawn(launch: Launch, limit: FileLimit) -> int:
    """Start *launch* in a session of its own and return its pid.

    Synchronous: one or two milliseconds. Raises `SpawnFailed` with a sentence for the
    operator; then no process exists. The caller owns the pid and must reap it.
    """
    argv = launch.argv
    if launch.listen_pid:
        argv = ("/bin/sh", "-c", LISTENING, "oxtrio-listen", *argv)
    try:
        with (
            inherited(launch.run_id),
            _placed(launch.sockets) as numbers,
            limit.lowered() as inherits_limit,
        ):
            if not inherits_limit:
                return _spawn_gated(launch, argv, numbers, [f"ulimit -S -n {limit.original[0]}"])
            if launch.gated:
                return _spawn_gated(launch, argv, numbers, [])
            return _popen(launch, argv, numbers)
    except OSError as error:  # there is no descriptor for what is borrowed in that moment
        raise explain_spawn_error(error, launch.argv, launch.cwd, launch.env) from error


@contextlib.contextmanager
def _placed(sockets: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Inside, *sockets* have the numbers from 3 on, and can be inherited; then all is as before."""
    numbers = tuple(RESERVED[: len(sockets)])
    with contextlib.ExitStack() as stack:
        # First, as inside another program one of them may have a number that another gets.
        copies = [_beyond_reserved(descriptor) for descriptor in sockets]
        for copy in copies:
            stack.callback(os.close, copy)
        for number, copy in zip(numbers, copies, strict=True):
            stack.enter_context(_borrowed(number))
            os.dup2(copy, number, inheritable=True)
        yield numbers


@contextlib.contextmanager
def _borrowed(number: int) -> Iterator[None]:
    """The descriptor *number* may be anything inside; afterwards it is what it was."""
    before = _kept(number)
    try:
        yield
    finally:
        if before is None:
            with contextlib.suppress(OSError):
                os.close(number)
        else:
            os.dup2(before, number, inheritable=False)
            os.close(before)


def _spawn_gated(
    launch: Launch, argv: tuple[str, ...], numbers: tuple[int, ...], steps: list[str]
) -> int:
    """Spawn a shell that waits, do from outside what needs us, then let it do *steps*."""
    with _gate() as opened:
        argv = ("/bin/sh", "-c", GATED, "oxtrio-gate", *argv)
        pid = _popen(launch, argv, (*numbers, GATE))
        try:
            inside = [*steps, *_set_limits(pid, launch), *_set_nice(pid, launch)]
            _set_oom_score(pid, launch)
        except OSError as error:
            # It still waits at the gate; closing that ends it with the read.
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise explain_spawn_error(error, launch.argv, launch.cwd, launch.env) from error
        os.write(opened, " && ".join(inside or [":"]).encode() + b"\n")
    return pid


@contextlib.contextmanager
def _gate() -> Iterator[int]:
    """Descriptor 9 is the reading end of a pipe inside; yields the writing end.

    What had that number gets it back: inside another program (system/guest.py) nobody has
    reserved it, and it may be anything.
    """
    with _borrowed(GATE):
        reading, writing = os.pipe2(os.O_CLOEXEC)
        if reading == GATE:
            os.set_inheritable(GATE, True)
        else:
            os.dup2(reading, GATE, inheritable=True)
            os.close(reading)
        try:
            yield writing
        finally:
            os.close(writing)


def _kept(number: int) -> int | None:
    """A second descriptor for what has this *number*; None where nothing has."""
    try:
        return _beyond_reserved(number)
    except OSError:
        return None


def _beyond_reserved(descriptor: int) -> int:
    """A second descriptor, whose number is none that a run gets."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, RESERVED.stop)


def _set_limits(pid: int, launch: Launch) -> Iterator[str]:
    """Set the limits of *pid*; what only the process itself may set is left as steps to it.

    Root in a container may lack CAP_SYS_RESOURCE: then it can limit no process of another
    user. That one can lower its own limits, as everybody can.
    """
    for name, soft, hard in launch.rlimits:
        try:
            resource.prlimit(pid, getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
        except PermissionError:
            if launch.identity is None or name not in ULIMITS:
                raise
            yield _ulimit("S", name, soft)
            yield _ulimit("H", name, hard)


def _ulimit(kind: str, name: str, value: int) -> str:
    letter, unit = ULIMITS[name]
    return f"ulimit -{kind} -{letter} {'unlimited' if value < 0 else -(-value // unit)}"


def _set_nice(pid: int, launch: Launch) -> Iterator[str]:
    """The same for the niceness, and CAP_SYS_NICE."""
    if launch.nice is None:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, pid, launch.nice)
    except PermissionError:
        more = launch.nice - os.getpriority(os.PRIO_PROCESS, 0)
        if launch.identity is None or more < 0:
            raise
        yield f'set -- nice -n {more} "$@"'


def _set_oom_score(pid: int, launch: Launch) -> None:
    if launch.oom_score_adj is not None:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(launch.oom_score_adj))


def _popen(launch: Launch, argv: tuple[str, ...], pass_fds: tuple[int, ...]) -> int:
    who = launch.identity
    try:
        process = subprocess.Popen(
            argv,
            cwd=launch.cwd,
            env=launch.env,
            stdin=subprocess.DEVNULL,
            stdout=launch.stdout,
            stderr=launch.stderr,
            start_new_session=True,
            pass_fds=pass_fds,
            umask=launch.umask,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=who.groups if who else None,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise explain_spawn_error(error, launch.argv, launch.cwd, launch.env) from error
    # The one reaper takes its exit; Popen must neither wait for it nor warn about it.
    process.returncode = 0
    return process.pid
