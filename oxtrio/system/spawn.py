"""One new process: everything that must be right before its first instruction.

`subprocess.Popen` is called synchronously in the main thread, so that its caller can register
the pid in the same tick. No `preexec_fn`: it costs a full fork. What only we may set (a higher
hard limit, a lower oom_score_adj for another user) is set from outside, while a line of shell
waits at a gate.
"""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from oxtrio.system.descriptors import GATE, FileLimit
from oxtrio.system.identity import Identity
from oxtrio.system.spawn_errors import explain_spawn_error

# The app is `exec`ed by the shell that waited, so that it is the leader itself.
GATED = 'read -r _ <&9; exec 9<&-; exec "$@"'


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

    @property
    def gated(self) -> bool:
        """Whether something must be set from outside before the program starts."""
        return bool(self.nice or self.oom_score_adj is not None or self.rlimits)


def spawn(launch: Launch, limit: FileLimit) -> int:
    """Start *launch* in a session of its own and return its pid.

    Synchronous: one or two milliseconds. Raises `SpawnFailed` with a sentence for the
    operator; then no process exists. The caller owns the pid and must reap it.
    """
    with limit.lowered() as inherits_limit:
        if launch.gated or not inherits_limit:
            return _spawn_gated(launch, limit)
        return _popen(launch, launch.argv, ())


def _spawn_gated(launch: Launch, limit: FileLimit) -> int:
    with _gate() as opened:
        argv = ("/bin/sh", "-c", GATED, "oxtrio-gate", *launch.argv)
        pid = _popen(launch, argv, (GATE,))
        try:
            _set_from_outside(pid, launch, limit)
        except OSError as error:
            # It still waits at the gate; closing that ends it with the read.
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise explain_spawn_error(error, launch.argv, launch.cwd) from error
        os.write(opened, b"\n")
    return pid


@contextlib.contextmanager
def _gate() -> Iterator[int]:
    """Descriptor 9 is the reading end of a pipe inside; yields the writing end."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.dup2(reading, GATE, inheritable=True)
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, GATE, inheritable=False)
        os.close(null)


def _set_from_outside(pid: int, launch: Launch, limit: FileLimit) -> None:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit.original)
    for name, soft, hard in launch.rlimits:
        resource.prlimit(pid, getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
    if launch.nice:
        os.setpriority(os.PRIO_PROCESS, pid, launch.nice)
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
        raise explain_spawn_error(error, launch.argv, launch.cwd) from error
    # The one reaper takes its exit; Popen must neither wait for it nor warn about it.
    process.returncode = 0
    return process.pid
