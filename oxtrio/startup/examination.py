"""What this machine and this user have to offer a supervisor: for `oxtrio doctor`.

*status* is what a supervisor says of itself, and counts more than what we find; None: there is
none, or it does not answer, and what is found would be in force for a new one.
"""

import os
import platform
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from oxtrio.model.diagnosis import Diagnosis, good, weaker, wrong
from oxtrio.model.order import SupervisorStatus
from oxtrio.system.birthmark import has_birthmarks
from oxtrio.system.delegation import NoGround, find_ground
from oxtrio.system.owner import become_subreaper
from oxtrio.system.proc import boot_id, stat_of
from oxtrio.system.steering import is_steering_supported

ENOUGH = 1024
"""Descriptors below which a few dozen apps are too many."""
CAPABILITIES = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SYS_RESOURCE": 24}
"""What root needs to run apps as other users, and to end them; containers may take it away."""


def examine(environ: Mapping[str, str], status: SupervisorStatus | None) -> Iterator[Diagnosis]:
    """One diagnosis per subject, in the order in which they are shown. It changes nothing."""
    pid = status.pid if status is not None else None
    yield containment(environ, status)
    yield reaper(pid)
    yield steering(environ, status)
    yield pidfds()
    yield descriptors(pid)
    yield pipes()
    yield rights()
    yield clock()
    yield good("system", f"Linux {platform.release()}, Python {platform.python_version()}")


def containment(environ: Mapping[str, str], status: SupervisorStatus | None) -> Diagnosis:
    """How what runs have started is found and ended."""
    said = status.containment if status is not None else ""
    if said.startswith("cgroup"):
        return good("containment", said)
    ground = find_ground()
    if environ.get("OXTRIO_CGROUPS") == "off":
        ground = NoGround("OXTRIO_CGROUPS=off", "unset OXTRIO_CGROUPS")
    if not said and not isinstance(ground, NoGround):
        return good("containment", f"cgroup, one for each run, below {ground.folder}")
    why, hint = (ground.why, ground.hint) if isinstance(ground, NoGround) else ("", "")
    said = said or f"subreaper and descent ({why})"
    if has_birthmarks():
        return weaker("containment", f"{said}: all that a run starts is found by descent", hint)
    text = f"{said}: what becomes a daemon and wipes its environment is ended with oxtrio alone"
    return weaker("containment", text, hint)


def reaper(pid: int | None) -> Diagnosis:
    """Who takes in what has lost its parent."""
    if pid == 1 or (pid is None and os.getpid() == 1):
        return good("reaper", "it is PID 1: every orphan comes to it")
    if not become_subreaper():
        text = "no subreaper: daemons are found by session and environment alone"
        return weaker("reaper", text, "Linux has it since 3.4; a sandbox may refuse prctl(2)")
    return good("reaper", "subreaper: what loses its parent comes to the supervisor")


def steering(environ: Mapping[str, str], status: SupervisorStatus | None) -> Diagnosis:
    """How new connections find a run."""
    found = environ.get("OXTRIO_STEERING") != "off" and is_steering_supported()
    if status.steered if status is not None else found:
        return good("sockets", "BPF steers connections: each run has a queue of its own")
    text = "one shared socket for all runs: a reload may cost the odd connection"
    off = environ.get("OXTRIO_STEERING") == "off"
    return weaker("sockets", text, "unset OXTRIO_STEERING" if off else "Linux 4.6 can do it")


def pidfds() -> Diagnosis:
    """Whether signals can never hit a recycled pid."""
    try:
        pidfd = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(pidfd, 0)
        finally:
            os.close(pidfd)
    except OSError as error:
        text = f"none ({error.strerror}): signals go by number"
        return weaker("pidfd", text, "Linux 5.3 has it; an old seccomp profile may refuse it")
    return good("pidfd", "no signal hits a recycled pid")


def descriptors(pid: int | None) -> Diagnosis:
    """How many files the supervisor may have open: some four for each run."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    used = 0
    if pid is not None:
        try:
            limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
            used = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            pid = None
    text = f"{used} of {limit} in use" if pid is not None else f"at most {limit}"
    text = text.replace(str(resource.RLIM_INFINITY), "any number")
    if limit == resource.RLIM_INFINITY or (limit >= ENOUGH and used < 0.8 * limit):
        return good("descriptors", text)
    return weaker("descriptors", text, "raise the hard limit of the supervisor: ulimit -Hn 65536")


def pipes() -> Diagnosis:
    """How much output may wait in pipes."""
    try:
        soft, largest = (
            int(Path(f"/proc/sys/fs/{name}").read_text())
            for name in ("pipe-user-pages-soft", "pipe-max-size")
        )
    except (OSError, ValueError):
        return weaker("pipes", "their limits cannot be read")
    pages = "no limit" if soft == 0 or os.geteuid() == 0 else f"{soft // 256} MB of this user"
    return good("pipes", f"grow up to {largest // 1024} KB; {pages} in all")


def rights() -> Diagnosis:
    """What this user may do."""
    uid = os.geteuid()
    if uid != 0:
        return good("rights", f"user {uid}: apps run as this user (user = … needs root)")
    missing = [name for name, number in CAPABILITIES.items() if not _capabilities() >> number & 1]
    if missing:
        text = f"root without {', '.join(missing)}"
        return weaker("rights", text, "apps with user = … or [rlimits] may not start or not end")
    return good("rights", "root")


def clock() -> Diagnosis:
    """By what runs of a dead supervisor are recognised."""
    if not boot_id() or stat_of(os.getpid()) is None:
        text = "/proc cannot be read: runs of a supervisor that died are not recognised"
        return wrong("boot", text, "mount /proc")
    return good("boot", f"id {boot_id()[:8]}, start times of processes can be read")


def state_of(pid: int) -> tuple[str, str]:
    """What a supervisor does that does not answer, and what to do; as far as /proc tells."""
    stat = stat_of(pid)
    if stat is None:
        return "it is gone", "oxtrio start"
    match stat.state:
        case "T" | "t":
            return "it is stopped (SIGSTOP)", f"kill -CONT {pid}"
        case "D":
            return "it waits for a disk", "see whether its folders answer: oxtrio doctor again"
        case "Z":
            return "it is dead, and its parent does not take note", f"end its parent: {stat.parent}"
    told = f"its stack: py-spy dump --pid {pid}" if sys.platform == "linux" else ""
    return f"its state is {stat.state}", told


def _capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff")), 0)
