"""wait, signal, reset."""

from typing import Annotated

import typer

from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Names, SomeNames, Timeout
from oxtrio.cli.ordering import obey
from oxtrio.errors import UsageError
from oxtrio.model.order import Order, Until, Verb

CONDITIONS = "|".join(Until)


@verb(
    "wait",
    examples="oxtrio wait --for healthy api --timeout 60\n"
    "oxtrio wait migrate --for exited && echo migrated",
)
def wait(
    context: typer.Context,
    names: Names = None,
    until: Annotated[
        str, typer.Option("--for", metavar=CONDITIONS, help="What to wait for; ready if unsaid.")
    ] = Until.READY,
    timeout: Timeout = None,
) -> None:
    """Wait until apps are ready, healthy, exited or stopped.

    Exit code 1 when that can no longer be, 124 after --timeout.
    """
    if until not in list(Until):
        raise UsageError(f"cannot wait for '{until}'", hint=f"--for {CONDITIONS}")
    order = Order(verb=Verb.WAIT, names=tuple(names or ()), timeout=timeout, until=Until(until))
    obey(target_of(context), order)


@verb("signal", examples="oxtrio signal HUP nginx\noxtrio signal SIGUSR1 api:0")
def signal(
    context: typer.Context,
    name_of_signal: Annotated[
        str, typer.Argument(metavar="SIGNAL", help="HUP, SIGHUP or 1.", show_default=False)
    ],
    names: SomeNames,
) -> None:
    """Send a signal to the main process of apps."""
    order = Order(verb=Verb.SIGNAL, names=tuple(names), signal=signal_named(name_of_signal))
    obey(target_of(context), order)


def signal_named(word: str) -> str:
    """`SIGHUP` for `HUP`, `sighup` and `1`; UsageError for what is no signal."""
    from signal import Signals

    try:
        if word.isdigit():
            return Signals(int(word)).name
        return Signals["SIG" + word.upper().removeprefix("SIG")].name
    except (KeyError, ValueError):
        raise UsageError(f"no such signal: '{word}'", hint="such as HUP, USR1, TERM") from None


@verb("reset", examples="oxtrio reset worker")
def reset(context: typer.Context, names: SomeNames) -> None:
    """Forget the failures of apps, so that they are tried anew."""
    obey(target_of(context), Order(verb=Verb.RESET, names=tuple(names)))
