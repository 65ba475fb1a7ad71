"""drain, pause, resume."""

import typer

from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import NoWait, SomeNames, Timeout
from oxtrio.cli.ordering import obey
from oxtrio.model.order import Order, Verb


@verb("drain", examples="oxtrio drain api:0\noxtrio resume api:0")
def drain(
    context: typer.Context, names: SomeNames, no_wait: NoWait = False, timeout: Timeout = None
) -> None:
    """Give apps no new connections; what they have, they finish.

    They run on. Only for apps whose address oxtrio holds.
    """
    _ask(context, Order(verb=Verb.DRAIN, names=tuple(names), wait=not no_wait, timeout=timeout))


@verb("pause", examples="oxtrio pause worker\noxtrio resume worker")
def pause(context: typer.Context, names: SomeNames) -> None:
    """Halt all processes of apps (SIGSTOP), until they are resumed."""
    _ask(context, Order(verb=Verb.PAUSE, names=tuple(names)))


@verb("resume", examples="oxtrio resume api:0 worker")
def resume(context: typer.Context, names: SomeNames) -> None:
    """Undo `drain` and `pause`."""
    _ask(context, Order(verb=Verb.RESUME, names=tuple(names)))


def _ask(context: typer.Context, order: Order) -> None:
    obey(target_of(context), order)
