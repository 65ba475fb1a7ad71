"""Oxfiles and projects, looked at without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oxtrio.cli import human
from oxtrio.cli.environment import environ
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note
from oxtrio.errors import ConfigError, Problem
from oxtrio.policy.quantities import counted

if TYPE_CHECKING:
    from oxtrio.project.folders import RunningProject


HEADS = ("PROJECT", "PID", "APPS", "OXFILE")


def validate(target: Target, *, strict: bool) -> None:
    """Say that the oxfile is valid, or raise ConfigError with every problem."""
    from oxtrio.project.preflight import findings, longest_stop

    config = target.config()
    files = [as_seen_from_here(path) for path in config.files]
    found = [*config.warnings, *map(str, findings(config, environ))]
    if strict and found:
        problems = tuple(Problem(files[0], 0, finding) for finding in found)
        raise ConfigError(f"{files[0]} is not valid with --strict", problems=problems)
    for finding in found:
        note("warning", finding)
    names = [app.name for app in config.apps]
    print(f"✓ {' + '.join(files)} {'is' if len(files) == 1 else 'are'} valid")
    print(f"{counted(len(names), 'process')} defined: {', '.join(names)}")
    print(f"a full stop takes at most {human.seconds(longest_stop(config))}")


def as_seen_from_here(path: str) -> str:
    """*path* without the current folder, where it is in there."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def project_table(projects: Sequence[RunningProject]) -> list[str]:
    """One line per project, heads first."""
    rows = [HEADS, *(_row(each) for each in projects)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(project: RunningProject) -> tuple[str, ...]:
    return (
        project.name or project.id,
        str(project.pid or "-"),
        str(project.apps or "-"),
        " + ".join(project.files) or "-",
    )
