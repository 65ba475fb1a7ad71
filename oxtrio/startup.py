"""How a supervisor comes up: in the foreground for `run`, in the background for `start`."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import trio

from oxtrio.daemon import Setup, run_daemon
from oxtrio.errors import AlreadyRunning, OxtrioError, Refused
from oxtrio.logs.display import Display, Manner
from oxtrio.model.spec import AppSpec, Config
from oxtrio.project.folders import (
    Folders,
    RunningProject,
    describe,
    folders,
    memory_only,
    prepare,
)
from oxtrio.project.locate import Project, ad_hoc, current_folder
from oxtrio.project.lock import Lock
from oxtrio.project.reading import load_project
from oxtrio.system import signals


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What `oxtrio run` asks for."""

    project: Project | None
    """None for a command without an oxfile."""
    names: tuple[str, ...] = ()
    prefix: bool = True
    json_logs: bool = False
    colour: bool = False
    exit_code_from: str | None = None
    command: tuple[str, ...] = ()
    """Instead of an oxfile: one command, restarted when it fails."""


def run_foreground(request: RunRequest) -> int:
    """Supervise in this process until all is over; the exit code. Raises `OxtrioError`."""
    signals.block_early()
    environ = dict(os.environ)
    project = request.project or ad_hoc(request.command, environ)
    config = load_project(project, environ) if project.files else _command_config(request, environ)
    for warning in config.warnings:
        _say(f"warning: {warning}")
    where = _foreground_folders(project, environ)
    display = Display(_manner_of(request), _names_of(config))
    with _serving(where, project, config):
        setup = Setup(
            project=project,
            folders=where,
            default_logs=None,
            config=config,
            environ=environ,
            say=_say,
            names=request.names,
            start=True,
            exit_code_from=request.exit_code_from,
            display=display,
        )
        return trio.run(run_daemon, setup)


def run_background(arguments: Sequence[str]) -> int:
    """What `project/launch.py` starts: its answer goes to the descriptor that it names."""
    request = json.loads(arguments[0])
    ready = int(request["ready"])
    os.set_inheritable(ready, False)
    raw = request["project"]
    project = Project(**{**raw, "files": tuple(raw["files"])})
    environ = dict(os.environ)
    try:
        config = load_project(project, environ)
        where = folders(project.id, environ)
        prepare(where)
        with _serving(where, project, config):
            setup = Setup(
                project=project,
                folders=where,
                default_logs=where.logs,
                config=config,
                environ=environ,
                say=_log,
                on_ready=lambda: _answer(ready, {"ready": True}),
            )
            return trio.run(run_daemon, setup)
    except OxtrioError as error:
        kind = type(error).__name__
        _answer(ready, {"kind": kind, "message": error.message, "hint": error.hint})
        _log(f"error: {error.message}")
        return error.exit_code


@contextmanager
def _serving(where: Folders, project: Project, config: Config) -> Iterator[None]:
    """This process serves the project for the time of the block. Raises `AlreadyRunning`."""
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
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _foreground_folders(project: Project, environ: Mapping[str, str]) -> Folders:
    """Folders where there can be some; a read-only container keeps everything in memory."""
    where = folders(project.id, environ)
    if where.runtime is None:
        return where
    try:
        prepare(where)
    except Refused:
        raise
    except OxtrioError as error:
        _say(f"{error.message}: everything stays in memory")
        return memory_only(project.id)
    return where


def _command_config(request: RunRequest, environ: Mapping[str, str]) -> Config:
    name = os.path.basename(request.command[0]) or "command"
    app = AppSpec(name=name, command=request.command, working_dir=current_folder(environ))
    return Config(files=("",), apps=(app,))


def _manner_of(request: RunRequest) -> Manner:
    return Manner(
        # A single command is shown as if it were run without us.
        prefix=request.prefix and not request.command,
        json=request.json_logs,
        colour=request.colour,
        terminal=sys.stdout.isatty(),
    )


def _names_of(config: Config) -> dict[tuple[str, int], str]:
    return {
        (app.name, number): f"{app.name}:{number}" if app.instances > 1 else app.name
        for app in config.apps
        for number in range(app.instances)
    }


def _answer(descriptor: int, said: Mapping[str, object]) -> None:
    with suppress(OSError):
        os.write(descriptor, json.dumps(said).encode() + b"\n")
        os.close(descriptor)


def _say(text: str) -> None:
    """A line for the operator; a terminal that is gone is no reason to fail."""
    with suppress(OSError, ValueError):
        print(f"oxtrio: {text}", file=sys.stderr, flush=True)


def _log(text: str) -> None:
    """A line for supervisor.log, which is our stderr in the background."""
    at = datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="milliseconds")
    with suppress(OSError, ValueError):
        print(f"{at} {text}", file=sys.stderr, flush=True)
