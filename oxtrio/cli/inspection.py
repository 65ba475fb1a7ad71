"""Oxfiles and projects, looked at without touching anything."""

from collections.abc import Sequence
from dataclasses import dataclass

from oxtrio.cli import human
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note
from oxtrio.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProject:
    """One line of `oxtrio ls`."""

    id: str
    pid: int | None
    uptime: str
    oxfile: str


HEADS = ("PROJECT", "PID", "UPTIME", "OXFILE")


def validate(target: Target, *, strict: bool) -> None:
    """Say that the oxfile is valid, or raise ConfigError with every problem."""
    from oxtrio.project.preflight import findings, longest_stop

    config = target.config()
    found = [*config.warnings, *findings(config, target.environ())]
    if strict and found:
        raise ConfigError(f"{len(found)} warnings", problems=tuple(found))
    for finding in found:
        note("warning", str(finding))
    names = [app.name for app in config.apps]
    print(f"✓ {' + '.join(config.files)} is valid")
    print(f"{len(names)} processes defined: {', '.join(names)}")
    print(f"a full stop takes at most {human.seconds(longest_stop(config))}")


def running_projects() -> list[RunningProject]:
    return []


def project_table(projects: Sequence[RunningProject]) -> list[str]:
    """One line per project, heads first."""
    rows = [HEADS, *((p.id, str(p.pid or "-"), p.uptime, p.oxfile) for p in projects)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
