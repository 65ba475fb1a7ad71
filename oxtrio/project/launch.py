"""Starting the supervisor of a project in the background."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict

from oxtrio.errors import AlreadyRunning, ConfigError, OxtrioError
from oxtrio.project.folders import Folders, folders, prepare
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project

PATIENCE = 30.0
"""Seconds that another supervisor, which won a race, has to answer."""


def launch(project: Project, environ: Mapping[str, str]) -> None:
    """Start it, and return when its control socket answers.

    Raises `ConfigError` before anything is started, and `OxtrioError` with the reason where it
    does not come up. When somebody else was faster, theirs is as good.
    """
    load_project(project, environ)
    where = folders(project.id, environ)
    prepare(where)
    reading, low = os.pipe()
    # The supervisor keeps descriptors of one digit for its runs.
    writing = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(low)
    with os.fdopen(reading) as answer, open(where.supervisor_log or os.devnull, "ab") as log:
        request = json.dumps({"project": asdict(project), "ready": writing})
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "oxtrio.entry", "--supervise", request],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
            pass_fds=(writing,),
        )
        # It outlives us: Popen must neither wait for it nor warn that it still runs.
        process.returncode = 0
        os.close(writing)
        _heed(answer.readline(), where)


def _heed(line: str, where: Folders) -> None:
    """What the new supervisor said: that it is ready, or why it cannot be."""
    if not line:
        raise OxtrioError("the supervisor ended before it was ready", f"see {where.supervisor_log}")
    said = json.loads(line)
    if said.get("ready"):
        return
    if said["kind"] == AlreadyRunning.__name__:
        _wait_for_the_other(where)
        return
    raise (
        ConfigError(said["message"], said["hint"])
        if said["kind"] == ConfigError.__name__
        else (OxtrioError(said["message"], said["hint"]))
    )


def _wait_for_the_other(where: Folders) -> None:
    end = time.monotonic() + PATIENCE
    while not (where.is_served and os.path.exists(where.socket)):
        if time.monotonic() > end:
            raise OxtrioError("another supervisor starts this project, but does not get ready")
        time.sleep(0.02)
