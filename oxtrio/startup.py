"""How a supervisor comes up: in the foreground for `run`, in the background for `start`."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from oxtrio.daemon import Setup, run_daemon
from oxtrio.errors import ConfigError, OxtrioError
from oxtrio.logs.display import Display, Manner
from oxtrio.model.spec import AppSpec, Config
from oxtrio.project.folders import Folders, describe, open_folders
from oxtrio.project.locate import Project
from oxtrio.project.lock import Lock
from oxtrio.project.reading import load_project
from oxtrio.system import signals


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What `oxtrio run` asks for."""

    project: Project
    names: tuple[str, ...] = ()
    prefix: bool = True
    json_logs: bool = False
    colour: bool = False
    exit_code_from: str | None = None
    command: tuple[str, ...] = ()
    """Instead of an oxfile: one command, restarted when it fails."""


def run_foreground(request: RunRequest) -> int:
    """Supervise in this process until all is over; the exit code. Raises `OxtrioError`."""
    environ = dict(os.environ)
    config = _config_of(request, environ)
    with open_folders(request.project, environ, memory_allowed=True) as folders:
        lock = Lock(folders.lock) if folders.lock else None
        display = _display_of(request, config)
        setup = Setup(
            project=request.project,
            folders=folders.without_logs(),
            config=config,
            environ=environ,
            say=_say,
            names=request.names,
            start=True,
            exit_code_from=request.exit_code_from,
            display=display,
        )
        return _run(setup, folders, lock)
