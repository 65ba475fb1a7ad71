"""`--supervise REQUEST`: what a keeper starts, and what takes the place of a running supervisor.

`--rehearse REQUEST` does everything of it but the taking: it shows that it could.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence

from oxtrio import __version__
from oxtrio.errors import ConfigError, OxtrioError
from oxtrio.model.plain import from_plain
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project
from oxtrio.startup.background import run_background
from oxtrio.startup.foreground import RunRequest, config_of, run_foreground
from oxtrio.startup.serving import say
from oxtrio.supervisor.handover import Handover, handover_of
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.handover import handed_over


def supervise(arguments: Sequence[str]) -> int:
    """Be the supervisor that *arguments* ask for; the exit code."""
    request = json.loads(arguments[0])
    if "run" not in request:
        goes_on = request.get("goes_on") is True
        return run_background(_project_of(request), arguments, _handover(), goes_on=goes_on)
    try:
        return run_foreground(_run_of(request), _handover())
    except OxtrioError as error:
        say(f"error: {error.message}")
        return error.exit_code


def rehearse(arguments: Sequence[str]) -> int:
    """Show whether this program can go on from what it is handed: a line of JSON on stdout."""
    request, environ = json.loads(arguments[0]), dict(os.environ)
    try:
        _handover()
        if "run" in request:
            config_of(_run_of(request), environ)
        else:
            load_project(_project_of(request), environ)
    except ConfigError as error:
        first = f": {error.problems[0]}" if error.problems else ""
        _answer({"error": error.message + first, "hint": "oxtrio validate shows it all"})
        return error.exit_code
    except OxtrioError as error:
        _answer({"error": error.message, "hint": error.hint})
        return error.exit_code
    _answer({"version": __version__})
    return 0


def _handover() -> Handover | None:
    """What the program has handed on whose place we take; None: we were started."""
    text = handed_over(os.environ)
    if text is None:
        return None
    handed = handover_of(text)
    FileLimit.recall(handed.file_limit)
    return handed


def _answer(said: Mapping[str, str]) -> None:
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def _project_of(request: Mapping[str, object]) -> Project:
    project: Project = from_plain(Project, request["project"], strict=False)
    return project


def _run_of(request: Mapping[str, object]) -> RunRequest:
    run: RunRequest = from_plain(RunRequest, request["run"], strict=False)
    return run
