"""scale."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from oxtrio.cli import saving
from oxtrio.cli.completion import complete_names
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import NoWait, Timeout
from oxtrio.cli.ordering import obey
from oxtrio.config.values import MOST_INSTANCES
from oxtrio.errors import UsageError
from oxtrio.model.order import Order, Verb


@verb(
    "scale",
    examples="oxtrio scale api=4\n"
    "oxtrio scale api=4 worker=2\n"
    "oxtrio scale api=4 --save     and write it into the oxfile",
)
def scale(
    context: typer.Context,
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=N",
            help="An app, and how many instances it shall have.",
            autocompletion=complete_names,
        ),
    ],
    save: Annotated[
        bool, typer.Option("--save", help="Write the number into the oxfile once it is done.")
    ] = False,
    no_wait: NoWait = False,
    timeout: Timeout = None,
) -> None:
    """Run more or fewer instances of apps.

    Those that are left run on. Without --save a restart of oxtrio forgets it.
    """
    if save and no_wait:
        raise UsageError("--save needs to wait", hint="leave out --no-wait")
    target, numbers = target_of(context), numbers_in(wanted)
    if save:
        for name, number in numbers.items():
            saving.check(target, name, number)
    codes = []
    for name, number in numbers.items():
        order = Order(
            verb=Verb.SCALE, names=(name,), wait=not no_wait, timeout=timeout, instances=number
        )
        try:
            obey(target, order)
        except typer.Exit as end:
            codes.append(end.exit_code)
            continue
        if save:
            saving.save(target, name, number)
    if codes:
        raise typer.Exit(codes[0])


def numbers_in(words: Sequence[str]) -> dict[str, int]:
    """`{"api": 4}` for `api=4`; UsageError for what is none, and for a name that comes twice."""
    numbers: dict[str, int] = {}
    for word in words:
        name, _, number = word.rpartition("=")
        if not name or not re.fullmatch("[0-9]{1,9}", number):
            raise UsageError(f"cannot scale '{word}': it is not NAME=N", hint="oxtrio scale api=4")
        if not 1 <= int(number) <= MOST_INSTANCES:
            what = f"cannot scale '{word}': an app has 1 to {MOST_INSTANCES} instances"
            raise UsageError(what, hint=f"oxtrio stop {name}" if int(number) == 0 else "")
        if name in numbers:
            raise UsageError(f"'{name}' is to be scaled twice")
        numbers[name] = int(number)
    return numbers
