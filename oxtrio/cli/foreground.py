"""`run`: the supervisor in this very process."""

import sys
from dataclasses import dataclass
from typing import NoReturn

import typer

from oxtrio.cli import preview
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import wants_colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What is run, and how its output is shown."""

    names: tuple[str, ...] = ()
    prefix: bool = True
    json_logs: bool = False
    exit_code_from: str | None = None
    command: tuple[str, ...] = ()
    restart: bool = True


def run(target: Target, manner: Manner) -> NoReturn:
    """Run the project until it ends; ends the command with its exit code."""
    project = target.locate_for_run(manner.command)
    if manner.names:
        preview.check_names(target.config(), manner.names)
    # Here and nowhere else: Trio costs more than all that other commands do.
    from oxtrio.startup.foreground import RunRequest, run_foreground

    request = RunRequest(
        project=project,
        names=manner.names,
        prefix=manner.prefix,
        json_logs=manner.json_logs,
        colour=wants_colour(sys.stdout),
        exit_code_from=manner.exit_code_from,
        command=manner.command,
        restart=manner.restart,
    )
    raise typer.Exit(run_foreground(request))
