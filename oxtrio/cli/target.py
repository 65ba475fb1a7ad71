"""The project that a command is about, as the command line names it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from oxtrio.cli.environment import environ
from oxtrio.errors import DaemonUnreachable, NotRunning, OxtrioError

if TYPE_CHECKING:
    from oxtrio.control.client import Client
    from oxtrio.model.spec import Config, Pairs
    from oxtrio.project.folders import Folders
    from oxtrio.project.locate import Project

LOOK_EVERY = 0.01
"""Seconds between two looks at whether a supervisor is gone: nothing could tell."""


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
            return ad_hoc(command, environ)
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
        """A connection to its supervisor; NotRunning where there is none."""
        from oxtrio.control.client import Client

        where = self.folders()
        with ExitStack() as stack:
            try:
                client = stack.enter_context(Client(where.socket))
            except DaemonUnreachable:
                raise
            except NotRunning:
                if where.is_served:
                    raise _unreachable(where) from None
                raise
            yield client

    def is_running(self) -> bool:
        """Whether a supervisor serves the project."""
        return self.folders().is_served

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
        """Whether its supervisor has ended, within *patience* seconds."""
        end = time.monotonic() + patience
        while self.is_running():
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


def _unreachable(where: Folders) -> DaemonUnreachable:
    """Somebody holds the lock, and nobody listens: the socket was removed, or is not there yet."""
    from oxtrio.project.folders import running

    pid = next((each.pid for each in running(environ) if each.id == where.id), 0)
    return DaemonUnreachable(
        f"the supervisor (pid {pid}) runs, but nobody listens at {where.socket}",
        f"where it is not just starting: kill {pid} (stops it and its apps), then oxtrio start",
    )
