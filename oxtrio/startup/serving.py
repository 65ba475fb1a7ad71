"""What all supervisors do when they come up, and how they speak to the operator."""

import os
import sys
import time
from contextlib import suppress
from datetime import datetime

from oxtrio.errors import AlreadyRunning
from oxtrio.model.spec import Config
from oxtrio.project.folders import Folders, RunningProject, describe
from oxtrio.project.locate import Project
from oxtrio.project.lock import Lock


def serve(where: Folders, project: Project, config: Config) -> Lock | None:
    """From now on this process serves the project. Raises `AlreadyRunning`.

    It lets go of the lock by ending: `oxtrio stop` returns when the process is gone, too.
    """
    lock = Lock(where.lock) if where.lock else None
    if lock is None and where.is_served:
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
