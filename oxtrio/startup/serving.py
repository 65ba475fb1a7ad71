"""What all supervisors do when they come up, and how they speak to the operator."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import trio

from oxtrio.assembly import Setup
from oxtrio.daemon import run_daemon
from oxtrio.errors import AlreadyRunning, OxtrioError
from oxtrio.model.spec import Config
from oxtrio.project.folders import Folders, RunningProject, describe
from oxtrio.project.locate import Project
from oxtrio.project.lock import Lock
from oxtrio.supervisor.handover import Handover
from oxtrio.system.clock import AwakeClock
from oxtrio.system.keepsakes import Keeper
from oxtrio.upgrade import SUPERVISE, Seat


def run(setup: Setup) -> int:
    """Be the supervisor, to its end; the exit code. Raises `OxtrioError`."""
    try:
        return trio.run(run_daemon, setup, clock=AwakeClock())
    except BaseExceptionGroup as group:
        error = _only_error(group)
        if error is None:
            raise
        raise error from None


def _only_error(group: BaseExceptionGroup[BaseException]) -> OxtrioError | None:
    """What went wrong, where that is one thing for the operator, however deep in the tree."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return found if isinstance(found, OxtrioError) else None


def seat_of(
    request: str,
    environ: Mapping[str, str],
    keeper: Keeper,
    lock: Lock | None,
    handed: Handover | None,
) -> Seat:
    """The place of this supervisor, which `--supervise` with this *request* would take."""
    program = (sys.executable, "-P", "-m", "oxtrio.entry", SUPERVISE, request)
    return Seat(command=program, environ=environ, keeper=keeper, lock=lock, handed=handed)


def serve(
    where: Folders, project: Project, config: Config, handed: Handover | None = None
) -> Lock | None:
    """From now on this process serves the project. Raises `AlreadyRunning`.

    It lets go of the lock by ending: `oxtrio stop` returns when the process is gone, too.
    """
    if handed is not None:
        held = handed.named("lock/")
        lock = Lock.handed([held[number] for number in sorted(held)]) if held else None
    else:
        lock = Lock(where.lock, where.state) if where.lock else None
    if lock is None and handed is None and where.is_served:
        raise AlreadyRunning("a supervisor already serves this project", "oxtrio status shows it")
    if config.supervisor.umask is not None:
        os.umask(config.supervisor.umask)
    describe(
        where,
        RunningProject(
            id=project.id,
            name=project.name,
            identity=project.identity,
            files=project.files,
            pid=os.getpid(),
            apps=len(config.apps),
        ),
    )
    return lock


def say(text: str) -> None:
    """A line for the operator; a terminal that is gone is no reason to fail."""
    with suppress(OSError, ValueError):
        print(f"oxtrio: {text}", file=sys.stderr, flush=True)


def log(text: str) -> None:
    """A line for supervisor.log, which is our stderr in the background."""
    at = datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="milliseconds")
    with suppress(OSError, ValueError):
        print(f"{at} {text}", file=sys.stderr, flush=True)
