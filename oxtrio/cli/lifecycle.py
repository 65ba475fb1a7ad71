"""start, stop, restart, reload."""
# ruff: noqa: PLR0913, PLR0917 - the parameters of a command are its options

from typing import Annotated

import typer

from oxtrio.cli import background, foreground
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Names, NoWait, Timeout, UpdateEnv
from oxtrio.cli.ordering import obey
from oxtrio.model.order import Order, Verb


@verb(
    "start",
    examples="oxtrio start                  everything in ./oxfile.toml\n"
    "oxtrio start api worker       these, and what they depend on\n"
    "oxtrio start --dry-run        what would start",
)
def start(
    context: typer.Context,
    names: Names = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be started.")
    ] = False,
    in_foreground: Annotated[
        bool, typer.Option("--foreground", help="The same as `oxtrio run`.")
    ] = False,
    update_env: UpdateEnv = False,
    no_wait: NoWait = False,
    timeout: Timeout = None,
) -> None:
    """Start what is not up, in the background.

    What runs is never touched: apps whose entry has changed are named.
    """
    target = target_of(context)
    if in_foreground:
        foreground.run(target, foreground.Manner(names=tuple(names or ())))
    order = Order(
        verb=Verb.START,
        names=tuple(names or ()),
        wait=not no_wait,
        timeout=timeout,
        env=target.environment() if update_env else None,
        dry_run=dry_run,
    )
    background.start(target, order)


@verb(
    "stop",
    examples="oxtrio stop            all apps, and the supervisor\n"
    "oxtrio stop worker     only this; the others run on",
)
def stop(
    context: typer.Context,
    names: Names = None,
    no_wait: NoWait = False,
    timeout: Timeout = None,
) -> None:
    """Stop apps; without a name also the supervisor, once all are gone."""
    order = Order(verb=Verb.STOP, names=tuple(names or ()), wait=not no_wait, timeout=timeout)
    background.stop(target_of(context), order)


@verb("restart", examples="oxtrio restart worker\noxtrio restart api:1 'celery-*'")
def restart(
    context: typer.Context,
    names: Names = None,
    update_env: UpdateEnv = False,
    no_wait: NoWait = False,
    timeout: Timeout = None,
) -> None:
    """Stop apps and start them with what the oxfile says now."""
    target = target_of(context)
    order = Order(
        verb=Verb.RESTART,
        names=tuple(names or ()),
        wait=not no_wait,
        timeout=timeout,
        env=target.environment() if update_env else None,
    )
    obey(target, order)


@verb("reload", examples="oxtrio reload api\noxtrio reload --if-changed     after an edit")
def reload(
    context: typer.Context,
    names: Names = None,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Only apps whose oxfile entry has changed.")
    ] = False,
    update_env: UpdateEnv = False,
    no_wait: NoWait = False,
    timeout: Timeout = None,
) -> None:
    """Put a changed oxfile, env file or new code into service."""
    target = target_of(context)
    order = Order(
        verb=Verb.RELOAD,
        names=tuple(names or ()),
        wait=not no_wait,
        timeout=timeout,
        env=target.environment() if update_env else None,
        if_changed=if_changed,
    )
    obey(target, order)
