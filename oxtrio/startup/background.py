"""The supervisor that `oxtrio start` leaves behind, under its keeper."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

import trio

from oxtrio.daemon import Setup, run_daemon
from oxtrio.errors import OxtrioError
from oxtrio.project.folders import folders, prepare
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project
from oxtrio.startup.serving import log, serve
from oxtrio.system.keeper_link import find_keeper


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
        serve(where, project, config)
        keeper.greet()
        setup = Setup(
            project=project,
            folders=where,
            default_logs=where.logs,
            config=config,
            environ=environ,
            say=log,
            keepsakes=keeper,
            resumes=not arguments[1:],
            on_ready=on_ready,
        )
        code = trio.run(run_daemon, setup)
    except OxtrioError as error:
        kind = type(error).__name__
        answer.give({"kind": kind, "message": error.message, "hint": error.hint})
        log(f"error: {error.message}")
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
