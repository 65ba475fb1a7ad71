"""status."""
# ruff: noqa: PLR0913, PLR0917 - the parameters of a command are its options

from typing import Annotated

import typer

from oxtrio.cli import standing
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Json, Names
from oxtrio.errors import NotRunning


@verb(
    "status",
    examples="oxtrio status --watch\n"
    "oxtrio status --json | jq -r '.[] | select(.status != \"running\") | .name'\n"
    "oxtrio status --ready && echo all is well",
)
def status(
    context: typer.Context,
    names: Names = None,
    json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every second, until Ctrl-C.")
    ] = False,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="Say it by exit code: 0 ready, 1 not, 3 not running."),
    ] = False,
) -> None:
    """Show what every instance is doing, and why.

    Exit code 3 when one that is wanted is not up.
    """
    wanted = tuple(names or ())
    try:
        with target_of(context).client() as client:
            if ready:
                raise typer.Exit(standing.readiness(client, wanted))
            if watch:
                standing.watch(client, wanted)
            raise typer.Exit(standing.show(client, wanted, json=json))
    except NotRunning:
        if json:
            print("[]")
        raise
