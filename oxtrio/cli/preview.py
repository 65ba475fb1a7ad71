"""What `start` would do, said from the oxfile alone: for when no supervisor runs."""

from collections.abc import Sequence

from oxtrio.errors import NotFound
from oxtrio.model.spec import AppSpec, Config
from oxtrio.policy.naming import means, means_all, suggest
from oxtrio.policy.order import with_dependencies


def check_names(config: Config, names: Sequence[str]) -> None:
    """NotFound for the first of *names* that no app of *config* has."""
    for name in names if not means_all(names) else ():
        if not any(selects(name, app) for app in config.apps):
            known = [app.name for app in config.apps]
            raise NotFound(f"no app named '{name}'", hint=suggest(name, known))


def selects(name: str, app: AppSpec) -> bool:
    """Whether *name* means *app* or an instance of it."""
    return any(means(name, app, number) for number in range(app.instances))


def would_start(config: Config, names: Sequence[str]) -> str:
    """`Would start: api (×2 instances), worker`, dependencies included."""
    apps = {app.name: app for app in config.apps}
    wanted = [
        app.name
        for app in config.apps
        if (app.enabled if means_all(names) else any(selects(name, app) for name in names))
    ]
    graph = {app.name: [need for need, _ in app.depends_on] for app in config.apps}
    told = [_told(apps[name]) for name in with_dependencies(wanted, graph)]
    return f"Would start: {', '.join(told)}" if told else "Would start nothing"


def _told(app: AppSpec) -> str:
    return f"{app.name} (×{app.instances} instances)" if app.instances > 1 else app.name
