"""The supervisor that `oxtrio start` leaves behind, under its keeper."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from oxtrio.assembly import Setup
from oxtrio.errors import ConfigError, OxtrioError
from oxtrio.model.spec import Config
from oxtrio.project.folders import Folders, folders, prepare
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project
from oxtrio.startup.serving import log, run, seat_of, serve
from oxtrio.supervisor.handover import Handover
from oxtrio.supervisor.memory import Memory
from oxtrio.system.keeper_link import find_keeper, keeper_of


def run_background(
    project: Project, arguments: Sequence[str], handed: Handover | None, *, goes_on: bool
) -> int:
    """Supervise *project*. *arguments* are our request, and, for the first that a keeper starts,
    the descriptor to which it answers; *handed* comes from the program whose place we take.
    *goes_on*: apps run without a supervisor, and what the oxfile said before will do for them.
    """
    answer = Answer(int(arguments[1]) if arguments[1:] else None)
    keeper = find_keeper(os.environ) if handed is None else keeper_of(dict(handed.descriptors))
    environ = dict(os.environ)

    def on_ready() -> None:
        keeper.ready()
        answer.give({"ready": True})

    try:
        where = folders(project.id, environ)
        resumes = goes_on or (not arguments[1:] and handed is None)
        config = _config_of(project, where, environ, resumes=resumes)
        prepare(where)
        lock = serve(where, project, config, handed)
        keeper.greet()
        setup = Setup(
            project=project,
            folders=where,
            default_logs=where.logs,
            config=config,
            environ=environ,
            say=log,
            seat=seat_of(arguments[0], environ, keeper, lock, handed),
            resumes=not arguments[1:],
            on_ready=on_ready,
        )
        code = run(setup)
    except OxtrioError as error:
        kind = type(error).__name__
        answer.give({"kind": kind, "message": error.message, "hint": error.hint})
        log(f"error: {error.message}")
        return error.exit_code
    keeper.bye()
    return code


def _config_of(
    project: Project, where: Folders, environ: Mapping[str, str], *, resumes: bool
) -> Config:
    """What the oxfile says. Raises `OxtrioError`.

    Who *resumes* after a crash goes on with what it said before, where it is broken meanwhile:
    apps that run must not be without a supervisor for that.
    """
    try:
        return load_project(project, environ)
    except ConfigError as error:
        known = Memory.load(where.state, log) if resumes and where.state is not None else None
        if known is None or not known.files:
            raise
        problem = f": {error.problems[0]}" if error.problems else ""
        log(f"error: {error.message}{problem}; goes on with what it said before")
        return known.config(f"{error.message}; what it said before holds: oxtrio validate")


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
