"""The supervisor of `oxtrio run`: on a terminal, or as PID 1 of a container."""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from oxtrio.assembly import Setup
from oxtrio.errors import NotFound, OxtrioError, Refused
from oxtrio.logs.display import Display, Manner
from oxtrio.model.plain import to_plain
from oxtrio.model.spec import AppSpec, Config, OnExit, RestartSpec, StopSpec
from oxtrio.project.folders import Folders, folders, memory_only, prepare
from oxtrio.project.locate import Project, current_folder
from oxtrio.project.preflight import longest_stop
from oxtrio.project.reading import load_project
from oxtrio.startup.serving import run, say, seat_of, serve
from oxtrio.supervisor.handover import Handover
from oxtrio.system import signals
from oxtrio.system.handover import Carrier
from oxtrio.system.keeper_link import keeper_of

OWN_STREAMS = frozenset({"/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2"})

ENGINE_PATIENCE = 9.0
"""Seconds for a full stop as PID 1: container engines kill after ten by default."""
COMMAND_PATIENCE = 8.0
"""Seconds that the command after `run --` has for its end as PID 1."""


class CommandNotFound(OxtrioError):
    """The command after `run --` does not exist; the code is that of a shell."""

    exit_code = 127


class NotExecutable(OxtrioError):
    """The command after `run --` may not be executed; the code is that of a shell."""

    exit_code = 126


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
    restart: bool = True
    """Whether it is."""


def run_foreground(request: RunRequest, handed: Handover | None = None) -> int:
    """Supervise in this process until all is over; the exit code. Raises `OxtrioError`.

    *handed* comes from the program whose place we take.
    """
    signals.block_early()
    environ = dict(os.environ)
    project = request.project
    config = config_of(request, environ)
    display = Display(_manner_of(request), _names_of(config))
    if handed is None:
        _warn(request, config)
    else:
        display.resume(handed.lines)
    where = _foreground_folders(project, environ)
    lock = serve(where, project, config, handed)
    keeper = Carrier() if handed is None else keeper_of(dict(handed.descriptors))
    text = json.dumps({"run": to_plain(request)})
    setup = Setup(
        project=project,
        folders=where,
        default_logs=None,
        config=_adapt(request, config),
        environ=environ,
        say=say,
        seat=seat_of(text, environ, keeper, lock, handed),
        names=request.names,
        start=True,
        display=display,
        adapt=partial(_adapt, request),
    )
    code = run(setup)
    if lock is not None and os.getpid() == 1:
        # Its end is the end of all that is in the container, of a waiting `oxtrio stop` too.
        lock.release()
    if not project.files:
        _forget(where)
    return code


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
        say(f"{error.message}: everything stays in memory")
        return memory_only(project.id)
    return where


def config_of(request: RunRequest, environ: Mapping[str, str]) -> Config:
    """What *request* is about. Raises `OxtrioError` for what cannot be run."""
    project = request.project
    config = load_project(project, environ) if project.files else _command_config(request, environ)
    if request.exit_code_from is not None and config.app(request.exit_code_from) is None:
        names = ", ".join(app.name for app in config.apps)
        raise NotFound(f"no app named '{request.exit_code_from}'", f"there are: {names}")
    return config


def _warn(request: RunRequest, config: Config) -> None:
    """Say what will be regretted."""
    for warning in config.warnings if not request.command else ():
        say(f"warning: {warning}")
    if os.getpid() == 1:
        say(_longest_stop_of(request, config))


def _longest_stop_of(request: RunRequest, config: Config) -> str:
    """For whoever runs us as PID 1: an engine kills the whole container when it takes longer."""
    seconds = f"{longest_stop(config):g} s"
    if longest_stop(config) <= ENGINE_PATIENCE:
        return f"a full stop takes at most {seconds}"
    return (
        f"warning: a full stop can take {seconds}, but container engines kill after 10 s by"
        " default: set stop_timeout_ms = 9000 under [supervisor]"
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
        if "/" in program and os.path.exists(program):
            hint = "it is a folder" if os.path.isdir(program) else f"chmod +x {program}"
            raise NotExecutable(f"'{program}' is not executable", hint)
        raise CommandNotFound(f"command '{program}' not found")
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", os.path.basename(program)) or "command"
    app = AppSpec(
        name=name,
        command=request.command,
        working_dir=current_folder(environ),
        restart=RestartSpec(always=None if request.restart else False),
        # There is no oxfile to set it, and the engine must not be faster.
        stop=StopSpec(timeout=COMMAND_PATIENCE if os.getpid() == 1 else StopSpec().timeout),
    )
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
