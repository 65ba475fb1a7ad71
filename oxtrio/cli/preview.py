"""What `start` would do, said from the oxfile alone: for when no supervisor runs."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from oxtrio.errors import NotFound
from oxtrio.model.spec import AppSpec, Config
from oxtrio.policy.order import with_dependencies


def check_names(config: Config, names: Sequence[str]) -> None:
    """NotFound for the first of *names* that no app of *config* has."""
    known = [app.name for app in config.apps]
    for name in names:
        if not any(selects(name, app) for app in config.apps):
            near = get_close_matches(name.partition(":")[0], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise NotFound(f"no app named '{name}'", hint=hint)


def selects(name: str, app: AppSpec) -> bool:
    """Whether *name* (app, `app:0`, `tag:x`, glob) means *app* or an instance of it."""
    kind, colon, rest = name.partition(":")
    if kind == "tag" and colon:
        return rest in app.tags
    if colon and rest.isdigit():
        return fnmatchcase(app.name, kind) and int(rest) < app.instances
    return name == "all" or fnmatchcase(app.name, name)


def would_start(config: Config, names: Sequence[str]) -> str:
    """`Would start: api (×2 instances), worker`, dependencies included."""
    apps = {app.name: app for app in config.apps}
    every = not names or "all" in names
    wanted = [
        app.name
        for app in config.apps
        if (app.enabled if every else any(selects(name, app) for name in names))
    ]
    graph = {app.name: [need for need, _ in app.depends_on] for app in config.apps}
    told = [_told(apps[name]) for name in with_dependencies(wanted, graph)]
    return f"Would start: {', '.join(told)}" if told else "Would start nothing"


def _told(app: AppSpec) -> str:
    return f"{app.name} (×{app.instances} instances)" if app.instances > 1 else app.name
