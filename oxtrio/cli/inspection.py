"""Oxfiles and projects, looked at without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oxtrio.cli import human
from oxtrio.cli.environment import environ
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note
from oxtrio.errors import ConfigError

if TYPE_CHECKING:
    from oxtrio.project.folders import RunningProject


HEADS = ("PROJECT", "PID", "APPS", "OXFILE")


def validate(target: Target, *, strict: bool) -> None:
    """Say that the oxfile is valid, or raise ConfigError with every problem."""
    from oxtrio.project.preflight import findings, longest_stop

    config = target.config()
    found = [*config.warnings, *findings(config, environ)]
    if strict and found:
        raise ConfigError(f"{len(found)} warnings", problems=tuple(found))
    for finding in found:
        note("warning", str(finding))
    names = [app.name for app in config.apps]
    print(f"✓ {' + '.join(config.files)} is valid")
    print(f"{len(names)} processes defined: {', '.join(names)}")
    print(f"a full stop takes at most {human.seconds(longest_stop(config))}")


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
