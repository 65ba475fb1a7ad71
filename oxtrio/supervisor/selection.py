"""Which instances an operator means."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from oxtrio.errors import NotFound
from oxtrio.process.instance import Instance
from oxtrio.supervisor.app import App


def select(apps: Mapping[str, App], names: Sequence[str]) -> list[Instance]:
    """The instances that *names* mean, in the order of the oxfile; no name means all.

    A name is an app, `app:0`, `tag:x` or a glob. Raises `NotFound` for a name that means
    nothing. Apps that are not enabled are only meant by their own name.
    """
    if not names or "all" in names:
        return [each for app in apps.values() if app.spec.enabled for each in app.instances]
    chosen = {id(instance) for name in names for instance in _meant(apps, name)}
    return [each for app in apps.values() for each in app.instances if id(each) in chosen]


def _meant(apps: Mapping[str, App], name: str) -> list[Instance]:
    if name in apps:
        return apps[name].instances
    found = list(_by_pattern(apps, name))
    if not found:
        raise NotFound(f"no app named '{name}'", _suggest(apps, name))
    return found


def _by_pattern(apps: Mapping[str, App], name: str) -> Iterable[Instance]:
    tag = name.removeprefix("tag:") if name.startswith("tag:") else None
    for app in apps.values():
        for instance in app.instances:
            numbered = f"{app.name}:{instance.number}"
            if (
                numbered == name
                or (tag is not None and tag in app.spec.tags)
                or (_is_glob(name) and (fnmatchcase(app.name, name) or fnmatchcase(numbered, name)))
            ):
                yield instance


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _suggest(apps: Mapping[str, App], name: str) -> str:
    near = get_close_matches(name, apps, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(apps)}" if apps else "the project has no apps"
