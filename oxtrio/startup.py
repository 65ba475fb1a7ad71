"""How a supervisor comes up: in the foreground for `run`, in the background for `start`."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import trio

from oxtrio.daemon import Setup, run_daemon
from oxtrio.errors import AlreadyRunning, NotFound, OxtrioError, Refused
from oxtrio.logs.display import Display, Manner
from oxtrio.model.spec import AppSpec, Config, OnExit
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
from oxtrio.project.preflight import longest_stop
from oxtrio.project.reading import load_project
from oxtrio.system import signals
from oxtrio.system.keeper_link import find_keeper
from oxtrio.system.keepsakes import NOTHING_KEPT

OWN_STREAMS = frozenset({"/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2"})

ENGINE_PATIENCE = 9.0
"""Seconds for a full stop as PID 1: container engines kill after ten by default."""


class CommandNotFound(OxtrioError):
    """The command after `run --` does not exist; the code is that of a shell."""

    exit_code = 127


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
    _check(request, config)
    where = _foreground_folders(project, environ)
    display = Display(_manner_of(request), _names_of(config))
    lock = _serve(where, project, config)
    setup = Setup(
        project=project,
        folders=where,
        default_logs=None,
        config=_adapt(request, config),
        environ=environ,
        say=_say,
        keepsakes=NOTHING_KEPT,
        names=request.names,
        start=True,
        display=display,
        adapt=partial(_adapt, request),
    )
    code = trio.run(run_daemon, setup)
    if lock is not None and os.getpid() == 1:
        # Its end is the end of all that is in the container, of a waiting `oxtrio stop` too.
        lock.release()
    if not project.files:
        _forget(where)
    return code


def run_background(arguments: Sequence[str]) -> int:
    """What the keeper starts; the first that it starts answers to the descriptor it is given."""
    answer = Answer(int(arguments[1]) if arguments[1:] else None)
    keeper = find_keeper(os.environ)
    raw = json.loads(arguments[0])["project"]
    project = Project(**{**raw, "files": tuple(raw["files"])})
    environ = dict(os.environ)

    def on_ready() -> None:
        keeper.ready()
        answer.give({"ready": True})

    try:
        config = load_project(project, environ)
        where = folders(project.id, environ)
        prepare(where)
        _serve(where, project, config)
        keeper.greet()
        setup = Setup(
            project=project,
            folders=where,
            default_logs=where.logs,
            config=config,
            environ=environ,
            say=_log,
            keepsakes=keeper,
            resumes=not arguments[1:],
            on_ready=on_ready,
        )
        code = trio.run(run_daemon, setup)
    except OxtrioError as error:
        kind = type(error).__name__
        answer.give({"kind": kind, "message": error.message, "hint": error.hint})
        _log(f"error: {error.message}")
        return error.exit_code
    keeper.bye()
    return code


class Answer:
    """What who started us is told, once: that we are ready, or why we cannot be."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)

    def give(self, said: Mapping[str, object]) -> None:
        """Say it, where somebody waits for it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.write(descriptor, json.dumps(said).encode() + b"\n")
            os.close(descriptor)


def _serve(where: Folders, project: Project, config: Config) -> Lock | None:
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


def _check(request: RunRequest, config: Config) -> None:
    """Raise for what cannot be run, and warn of what will be regretted."""
    if request.exit_code_from is not None and config.app(request.exit_code_from) is None:
        names = ", ".join(app.name for app in config.apps)
        raise NotFound(f"no app named '{request.exit_code_from}'", f"there are: {names}")
    for warning in config.warnings if not request.command else ():
        _say(f"warning: {warning}")
    if os.getpid() == 1 and longest_stop(config) > ENGINE_PATIENCE:
        _say(
            f"warning: a full stop can take {longest_stop(config):g} s, but container engines kill"
            " after 10 s by default: set stop_timeout_ms = 9000 under [supervisor]"
        )


def _adapt(request: RunRequest, config: Config) -> Config:
    """What the oxfile says, as `run` needs it: the same after each reload."""
    apps = tuple(map(_without_stdout, config.apps))
    if request.exit_code_from is not None:
        apps = tuple(
            _ending_all(app) if app.name == request.exit_code_from else app for app in apps
        )
    return replace(config, apps=apps)


def _ending_all(app: AppSpec) -> AppSpec:
    """Its first end is that of the project: tests that have failed are not run again."""
    return replace(app, on_exit=OnExit.SHUTDOWN, restart=replace(app.restart, always=False))


def _without_stdout(app: AppSpec) -> AppSpec:
    """What an app writes is shown anyway: a log file that is our stdout would show it twice."""
    logs = app.logs
    if logs.file in OWN_STREAMS:
        logs = replace(logs, file=None)
    if logs.error_file in OWN_STREAMS:
        logs = replace(logs, error_file=None)
    return replace(app, logs=logs)


def _forget(where: Folders) -> None:
    """Nobody will ask for a command without an oxfile again: its folders go."""
    for folder in (where.state, where.runtime):
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _command_config(request: RunRequest, environ: Mapping[str, str]) -> Config:
    program = request.command[0]
    if shutil.which(program) is None:
        raise CommandNotFound(f"command '{program}' not found")
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", os.path.basename(program)) or "command"
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


def _say(text: str) -> None:
    """A line for the operator; a terminal that is gone is no reason to fail."""
    with suppress(OSError, ValueError):
        print(f"oxtrio: {text}", file=sys.stderr, flush=True)


def _log(text: str) -> None:
    """A line for supervisor.log, which is our stderr in the background."""
    at = datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="milliseconds")
    with suppress(OSError, ValueError):
        print(f"{at} {text}", file=sys.stderr, flush=True)
