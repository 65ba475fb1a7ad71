"""Which apps an operator means by the names of a command."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from oxtrio.model.spec import AppSpec

EVERY = "all"


def means_all(names: Sequence[str]) -> bool:
    """Whether *names* mean every app that is enabled: no name, or `all`."""
    return not names or EVERY in names


def means(name: str, app: AppSpec, number: int) -> bool:
    """Whether *name* means this instance of *app*.

    A name is an app, `app:0`, `tag:x`, a namespace, or a glob over names and `name:number`.
    An app that is not enabled is only meant by its own name.
    """
    if name in (app.name, f"{app.name}:{number}"):
        return True
    if not app.enabled:
        return False
    if name.startswith("tag:"):
        return name.removeprefix("tag:") in app.tags
    if name == app.namespace:
        return True
    return fnmatchcase(app.name, name) or fnmatchcase(f"{app.name}:{number}", name)


def suggest(name: str, known: Sequence[str]) -> str:
    """What to say of a name that means nothing."""
    near = get_close_matches(name.partition(":")[0], known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(known)}" if known else "the project has no apps"
