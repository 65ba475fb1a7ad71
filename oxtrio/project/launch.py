"""Starting the supervisor of a project in the background, under a keeper."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from oxtrio.errors import AlreadyRunning, ConfigError, OxtrioError
from oxtrio.project.folders import Folders, folders, prepare
from oxtrio.project.left_running import has_left_running
from oxtrio.project.locate import Project
from oxtrio.project.lock import take
from oxtrio.project.reading import load_project

PATIENCE = 30.0
"""Seconds that another supervisor, which won a race, has to answer."""
LOOK_EVERY = 0.02

KEEPER = str(Path(__file__).parents[1] / "keeper.py")
"""A program of its own, which imports nothing of oxtrio."""


def launch(project: Project, environ: Mapping[str, str]) -> None:
    """Start it, and return when its control socket answers.

    Raises `ConfigError` before anything is started, unless apps run without a supervisor: then
    what the oxfile said before holds. Raises `OxtrioError` with the reason where it does not come
    up. When somebody else was faster, theirs is as good.
    """
    where = folders(project.id, environ)
    request: dict[str, object] = {"project": asdict(project)}
    try:
        load_project(project, environ)
    except ConfigError:
        if not has_left_running(where):
            raise
        request["goes_on"] = True
    prepare(where)
    end, text = time.monotonic() + PATIENCE, json.dumps(request)
    while not (_launched(text, where, environ) or _has_come_up(where, end)):
        pass  # who was faster has failed meanwhile: with which reason, our own will say


def _launched(request: str, where: Folders, environ: Mapping[str, str]) -> bool:
    """Start a keeper, which starts the supervisor; False where somebody else does that."""
    if where.keeper_lock is None:
        return False  # it has no folders and is served all the same: by `run`
    try:
        lock = take(where.keeper_lock)
    except AlreadyRunning:
        return False
    reading, low = os.pipe()
    # The supervisor keeps descriptors of one digit for its runs.
    writing = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(low)
    supervisor = [sys.executable, "-P", "-m", "oxtrio.entry", "--supervise", request]
    try:
        with os.fdopen(reading) as answer, open(where.supervisor_log or os.devnull, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", KEEPER, str(lock), str(writing), *supervisor],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environ),
                cwd="/",
                start_new_session=True,
                pass_fds=(lock, writing),
            )
            # It outlives us: Popen must neither wait for it nor warn that it still runs.
            process.returncode = 0
            os.close(writing)
            line = answer.readline()
    finally:
        os.close(lock)
    return _is_ready(line, where)


def _is_ready(line: str, where: Folders) -> bool:
    """What the new supervisor said: that it is ready, or why it cannot be."""
    if not line:
        raise OxtrioError("the supervisor ended before it was ready", f"see {where.supervisor_log}")
    said = json.loads(line)
    if said.get("ready"):
        return True
    if said["kind"] == AlreadyRunning.__name__:
        return False
    raise (
        ConfigError(said["message"], said["hint"])
        if said["kind"] == ConfigError.__name__
        else (OxtrioError(said["message"], said["hint"]))
    )


def _has_come_up(where: Folders, end: float) -> bool:
    """Wait for the supervisor that somebody else starts; False when that has failed."""
    while not (where.is_served and os.path.exists(where.socket)):
        if not where.is_served and not where.is_kept:
            return False
        if time.monotonic() > end:
            raise OxtrioError("another supervisor starts this project, but does not get ready")
        time.sleep(LOOK_EVERY)
    return True
