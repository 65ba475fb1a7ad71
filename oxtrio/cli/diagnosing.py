"""What `oxtrio doctor` looks at: the oxfile, its supervisor, its folders, and the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oxtrio import __version__
from oxtrio.cli import human
from oxtrio.cli.environment import environ
from oxtrio.cli.inspection import as_seen_from_here
from oxtrio.cli.target import Target
from oxtrio.control.client import Client
from oxtrio.errors import ConfigError, DaemonUnreachable, NotRunning, OxtrioError
from oxtrio.model.diagnosis import Diagnosis, good, weaker, wrong
from oxtrio.policy.quantities import counted
from oxtrio.project.folders import Folders, running

if TYPE_CHECKING:
    from oxtrio.model.order import SupervisorStatus

PATIENCE = 3.0
"""Seconds in which a supervisor that is well says at least something."""
FULL, NEARLY_FULL = 1 << 20, 100 << 20
"""Bytes that are free: below the first nothing can be written any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking the supervisor: what it says of itself, or why it says nothing."""

    status: SupervisorStatus | None = None
    trouble: OxtrioError | None = None


def diagnose(target: Target) -> Iterator[Diagnosis]:
    """One diagnosis per subject; what cannot be looked at is one too."""
    # It brings the parts of a supervisor along, which no other command of a client needs.
    from oxtrio.startup.examination import examine

    yield _oxfile(target)
    answer, where = Answer(), None
    with suppress(OxtrioError):
        where = target.folders()
        answer = ask(where)
        yield from _supervisor(where, answer)
    yield from examine(environ, answer.status)
    if where is not None:
        yield from _folders(where)


def ask(where: Folders) -> Answer:
    """What the supervisor of these folders says of itself."""
    try:
        with Client(where.socket, patience=PATIENCE) as client:
            return Answer(client.supervisor())
    except OxtrioError as error:
        return Answer(trouble=error)


def _oxfile(target: Target) -> Diagnosis:
    try:
        target.locate()
    except OxtrioError as error:
        return weaker("oxfile", error.message, error.hint or "oxtrio -c FILE doctor")
    try:
        config = target.config()
    except ConfigError as error:
        first = f": {error.problems[0]}" if error.problems else ""
        return wrong("oxfile", f"{error.message}{first}", "oxtrio validate shows every problem")
    except OxtrioError as error:
        return wrong("oxfile", error.message, error.hint)
    files = " + ".join(map(as_seen_from_here, config.files))
    return good("oxfile", f"{files} is valid, with {counted(len(config.apps), 'app')}")


def _supervisor(where: Folders, answer: Answer) -> Iterator[Diagnosis]:
    status = answer.status
    if status is None:
        yield _silent(where, answer.trouble)
        return
    text = f"pid {status.pid} answers, version {status.version}"
    if status.version == __version__:
        yield good("supervisor", text)
    else:
        yield weaker("supervisor", f"{text}; this command is {__version__}", "oxtrio upgrade")
    for warning in status.warnings:
        yield wrong("supervisor", warning)
    yield _keeper(where, status)


def _silent(where: Folders, trouble: OxtrioError | None) -> Diagnosis:
    from oxtrio.startup.examination import state_of

    pid = next((each.pid for each in running(environ) if each.id == where.id), 0)
    if where.is_served and pid:
        state, hint = state_of(pid)
        said = f"pid {pid} has its lock, but nobody listens"
        said = trouble.message if isinstance(trouble, DaemonUnreachable) else said
        return wrong("supervisor", f"{said}: {state}", hint)
    if where.is_kept:
        text = f"it died by force, and its keeper starts it again; see {where.supervisor_log}"
        return wrong("supervisor", text, "oxtrio start tries it now")
    if isinstance(trouble, NotRunning) or trouble is None:
        return good("supervisor", "none runs; what follows would be in force")
    return wrong("supervisor", trouble.message, trouble.hint)


def _keeper(where: Folders, status: SupervisorStatus) -> Diagnosis:
    if where.is_kept:
        return good("keeper", "there: it starts a supervisor that died by force again")
    if status.foreground:
        return good("keeper", "none, as in the foreground: restart is up to who started it")
    text = "gone: after a crash of the supervisor apps run on, and oxtrio start goes on with them"
    return weaker("keeper", text, "it is there again after the next stop and start")


def _folders(where: Folders) -> Iterator[Diagnosis]:
    if where.state is None or where.runtime is None:
        text = "none can be written: everything stays in memory, and ends with the supervisor"
        yield weaker("folders", text, "set OXTRIO_HOME to a folder that you may write to")
        return
    for subject, path in (("state", where.state), ("runtime", where.runtime), ("logs", where.logs)):
        yield _folder(subject, path or where.state)


def _folder(subject: str, path: str) -> Diagnosis:
    there = path
    while not os.path.exists(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)  # it would be made
    if not os.access(there, os.W_OK | os.X_OK):
        hint = "set OXTRIO_HOME to a folder that you may write to"
        return wrong(subject, f"{there} cannot be written to", hint)
    try:
        found = os.statvfs(there)
    except OSError as error:
        return wrong(subject, f"{there}: {error.strerror}")
    free = found.f_bavail * found.f_frsize
    text = f"{path}, {human.memory(free)} free"
    if free < FULL:
        return wrong(subject, text, "the disk is full: apps run on, and what they write is lost")
    if free < NEARLY_FULL or (found.f_files and not found.f_favail):
        return weaker(subject, text, "the disk is nearly full")
    return good(subject, text)
