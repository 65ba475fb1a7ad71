"""run."""
# ruff: noqa: PLR0913, PLR0917 - the parameters of a command are its options

from typing import Annotated

import typer

from oxtrio.cli import foreground
from oxtrio.cli.grammar import AFTER_DASHES, VerbWithCommand, target_of, verb
from oxtrio.cli.options import Names
from oxtrio.errors import UsageError

EXAMPLES = (
    "oxtrio run                          all apps of ./oxfile.toml\n"
    "oxtrio run --exit-code-from tests   end as this app ends\n"
    "oxtrio run -- uvicorn main:app      no oxfile: one command, kept running\n"
    "oxtrio run --no-restart -- pytest   the same, but only once"
)


@verb("runtime", hidden=True, examples=EXAMPLES, cls=VerbWithCommand)
@verb("run", examples=EXAMPLES, cls=VerbWithCommand)
def run(
    context: typer.Context,
    names: Names = None,
    no_prefix: Annotated[
        bool, typer.Option("--no-prefix", help="Lines as the apps write them, without names.")
    ] = False,
    json_logs: Annotated[
        bool, typer.Option("--json-logs", help="One JSON object per line of output.")
    ] = False,
    exit_code_from: Annotated[
        str | None,
        typer.Option("--exit-code-from", metavar="NAME", help="Stop all when this app ends."),
    ] = None,
    no_restart: Annotated[
        bool,
        typer.Option("--no-restart", help="The command after `--` runs once, whatever its code."),
    ] = False,
) -> None:
    """Run the stack in the foreground; also as PID 1 of a container."""
    command: tuple[str, ...] = context.meta.get(AFTER_DASHES, ())
    if no_restart and not command:
        hint = "oxtrio run --no-restart -- CMD ARGS; in an oxfile: restart_on_exit = false"
        raise UsageError("--no-restart is for one command", hint=hint)
    if command and names:
        raise UsageError("cannot run apps and a command at once", hint="oxtrio run -- CMD ARGS")
    manner = foreground.Manner(
        names=tuple(names or ()),
        prefix=not no_prefix,
        json_logs=json_logs,
        exit_code_from=exit_code_from,
        command=command,
        restart=not no_restart,
    )
    foreground.run(target_of(context), manner)
