"""The project that a command is about, as the command line names it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from oxtrio.cli.environment import environ
from oxtrio.errors import DaemonUnreachable, NotRunning, OxtrioError, ProtocolError

if TYPE_CHECKING:
    from oxtrio.control.client import Client
    from oxtrio.model.spec import Config, Pairs
    from oxtrio.project.folders import Folders
    from oxtrio.project.locate import Project

LOOK_EVERY = 0.01
"""Seconds between two looks at whether a supervisor is gone or there: nothing could tell."""
COMEBACK = 5.0
"""Seconds in which a supervisor that died by force is there again."""
MOMENT = 0.5
"""Seconds in which one that has its lock listens."""


@dataclass(frozen=True, slots=True)
class Target:
    """What `-c` and `-p` say; empty: what the environment and the current folder say."""

    configs: tuple[str, ...] = ()
    name: str | None = None
    _found: list[Project] = field(default_factory=list, compare=False, repr=False)

    def narrowed(self, configs: list[str] | None, name: str | None) -> Target:
        """This target with what was given at another place of the command line."""
        return Target((*self.configs, *(configs or ())), name or self.name)

    def environment(self) -> Pairs:
        """The caller's environment, to be sent: `--update-env`."""
        return tuple(sorted(environ.items()))

    def locate(self) -> Project:
        """The project; an OxtrioError that says where was looked when there is none."""
        # Once: a project that is found by its name is found only while it runs.
        if not self._found:
            from oxtrio.project.locate import locate

            self._found.append(locate(self.configs, self.name, environ))
        return self._found[0]

    def locate_for_run(self, command: tuple[str, ...]) -> Project:
        """The project of `run`; with a *command*, one of its own without any oxfile."""
        from oxtrio.project.locate import ad_hoc, locate

        if command:
            return ad_hoc(command, self.name, environ)
        return locate(self.configs, self.name, environ, for_run=True)

    def folders(self) -> Folders:
        """Where the project lives."""
        from oxtrio.project.folders import folders

        return folders(self.locate().id, environ)

    def config(self) -> Config:
        """What the oxfile says; ConfigError with every problem."""
        from oxtrio.project.reading import load_project

        return load_project(self.locate(), environ)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A connection to its supervisor, for which a moment is waited where it died by force.

        NotRunning where there is none.
        """
        from oxtrio.control.client import Client

        where, begun = self.folders(), time.monotonic()
        with ExitStack() as stack:
            while True:
                try:
                    client = stack.enter_context(Client(where.socket))
                    break
                except DaemonUnreachable:
                    raise
                except NotRunning as error:
                    if not _is_on_its_way(where, time.monotonic() - begun):
                        raise _in_other_words(error, where) from None
                time.sleep(LOOK_EVERY)
            yield client

    def is_running(self) -> bool:
        """Whether a supervisor serves the project, or will in a moment."""
        where, end = self.folders(), time.monotonic() + COMEBACK
        while where.is_kept and not where.is_served and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
        return where.is_served or where.is_kept

    def comes_back(self) -> bool:
        """Whether a supervisor answers, or does in a moment, that is not about to end."""
        where, end = self.folders(), time.monotonic() + COMEBACK
        while (where.is_served or where.is_kept) and time.monotonic() < end:
            with suppress(NotRunning, ProtocolError, DaemonUnreachable), self.client() as client:
                return not client.supervisor().stopping
            time.sleep(LOOK_EVERY)
        return False

    def hurry(self) -> None:
        """Where its supervisor died by force, and is to be started again: have that done now."""
        from oxtrio.project.left_running import hurry_keeper

        with suppress(OxtrioError):  # no project, no keeper
            where = self.folders()
            if not where.is_served:
                hurry_keeper(where)

    def launch(self) -> None:
        """Start its supervisor in the background; an OxtrioError with the reason if it cannot."""
        from oxtrio.project.launch import launch

        launch(self.locate(), environ)

    def has_left_running(self) -> bool:
        """Whether apps of a supervisor that died by force still run."""
        from oxtrio.project.left_running import has_left_running

        try:
            return has_left_running(self.folders())
        except OxtrioError:
            return False  # no project, no apps

    def wait_gone(self, patience: float) -> bool:
        """Whether its supervisor has ended, and what keeps that, within *patience* seconds."""
        where, end = self.folders(), time.monotonic() + patience
        while where.is_served or where.is_kept:
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_EVERY)
        return True

    def command(self, words: str) -> str:
        """`oxtrio -c PATH words`: what an operator can type for the same project."""
        given = [w for path in self.configs for w in ("-c", str(Path(path).absolute()))]
        if self.name:
            given += ["-p", self.name]
        return f"{shlex.join(['oxtrio', *given])} {words}"


def _is_on_its_way(where: Folders, waited: float) -> bool:
    """Whether a supervisor that died by force may listen again in a moment.

    The socket of a dead one is there until its successor makes its own: where there is none, and
    the lock is held, somebody has removed it.
    """
    lost = where.is_served and not Path(where.socket).exists()
    return where.is_kept and waited < (MOMENT if lost else COMEBACK)


def _in_other_words(error: NotRunning, where: Folders) -> NotRunning:
    """Somebody holds a lock, and nobody listens: the socket was removed, or is not there yet."""
    from oxtrio.project.folders import running
    from oxtrio.project.left_running import has_left_running
    from oxtrio.project.lock import holder

    if where.is_kept and not where.is_served:
        return DaemonUnreachable(
            "the supervisor ended by force, and has not come up again yet",
            f"oxtrio start tries it now; see {where.supervisor_log}",
        )
    if not where.is_served:
        return _left_running() if has_left_running(where) else error
    described = (each.pid for each in running(environ) if each.id == where.id)
    pid = next(described, 0) or holder(where.state or where.runtime or "")
    return DaemonUnreachable(
        f"the supervisor (pid {pid}) runs, but nobody listens at {where.socket}",
        f"where it is not just starting: kill {pid} (stops it and its apps), then oxtrio start",
    )


def _left_running() -> NotRunning:
    return NotRunning(
        "the supervisor is gone, but its apps still run",
        "oxtrio start goes on with them, or ends them first where on_crash says so; "
        "oxtrio stop ends them",
    )
