"""Tables of environment variables."""

from collections.abc import Mapping

from oxtrio.config.expand import ONLY_INSTANCE, Expansion, Served
from oxtrio.config.kinds import shown
from oxtrio.config.oxfile import Oxfile
from oxtrio.config.positions import KeyPath
from oxtrio.config.values import fits_the_kernel


def read_env(
    raw: Mapping[str, object] | None, at: KeyPath, oxfile: Oxfile, served: Served = ONLY_INSTANCE
) -> dict[str, str]:
    """The variables of the table *at*: names checked, values expanded; what is *served* stays.

    A value itself is in no problem: it may be a secret.
    """
    variables = {}
    for name, value in (raw or {}).items():
        problem = _name_problem(name) or _value_problem(value)
        if problem:
            oxfile.note((*at, name), f"{shown(name)} {problem}")
        else:
            variables[name] = _expanded(value, (*at, name), oxfile, served)
    return variables


def _name_problem(name: str) -> str:
    if not name:
        return "cannot be the name of a variable: it is empty"
    if "=" in name or "\0" in name:
        return "cannot be the name of a variable: it contains = or NUL"
    return ""


def _value_problem(value: object) -> str:
    if isinstance(value, float) and not abs(value) < float("inf"):
        return "must be a finite number"
    if not isinstance(value, str | int | float):
        return "must be a string, a number, true or false"
    if isinstance(value, str) and "\0" in value:
        return "contains a NUL character"
    if isinstance(value, str) and not fits_the_kernel(value):
        return "is longer than the 128 KiB that the system takes"
    return ""


def _expanded(value: object, at: KeyPath, oxfile: Oxfile, served: Served) -> str:
    if not isinstance(value, str):
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    expansion = Expansion(oxfile.facts, served)
    text = expansion.of(value)
    for what, hint in expansion.wrong:
        oxfile.note(at, f"{at[-1]} cannot be expanded: {what}", hint)
    return text
