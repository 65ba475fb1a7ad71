"""Arguments and options that several commands take."""

from typing import Annotated

import typer

from oxtrio.cli.completion import complete_names
from oxtrio.errors import UsageError


def _positive(seconds: float | None) -> float | None:
    """Refuses also `nan`, which is neither more nor less than anything."""
    if seconds is not None and not seconds > 0:
        raise UsageError(f"--timeout must be positive, is {seconds:g}")
    return seconds


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="An app, an instance (api:0), tag:<tag> or a glob; none: all.",
        autocompletion=complete_names,
    ),
]
SomeNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="An app, an instance (api:0), tag:<tag> or a glob.",
        autocompletion=complete_names,
    ),
]
OneName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="An app or an instance (api:0).", autocompletion=complete_names
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once, do not wait.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECS",
        help="Wait no longer; then exit code 124.",
        callback=_positive,
    ),
]
UpdateEnv = Annotated[
    bool,
    typer.Option("--update-env", help="Give apps this shell's environment from now on."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
