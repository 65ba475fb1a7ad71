"""Taking a changed oxfile: what is new is admitted, what runs is left alone and named."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oxtrio.supervisor.app import App

if TYPE_CHECKING:
    from oxtrio.supervisor.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Taken:
    """What a changed oxfile has brought."""

    notes: tuple[str, ...]
    """A line for each app that runs with an older spec, or is no longer in the oxfile."""
    renewed: frozenset[str]
    """Apps that were not up, and have their new spec."""


async def take_config(supervisor: "Supervisor") -> Taken:
    """Read the oxfile again; new apps are known after it, and what is down has its new spec.

    What waits to be started again, after a failure or for a dependency, is not up either.
    Raises `ConfigError`; then nothing has changed.
    """
    config = supervisor.scaling.read(await supervisor.read_config(supervisor.environ))
    supervisor.config = config
    notes, renewed = [], set()
    for spec in config.apps:
        app = supervisor.apps.get(spec.name)
        if app is None:
            supervisor.admit(spec)
        elif app.spec != spec or not app.runs_as(spec):
            if not app.is_up:
                take_spec(app, supervisor)
                renewed.add(spec.name)
            else:
                notes.append(f"changed: oxtrio reload {spec.name}")
    for app in list(supervisor.apps.values()):
        if config.app(app.name) is None:
            if app.is_down and not app.wanted:
                supervisor.dismiss(app)
            else:
                notes.append(f"no longer in the oxfile: oxtrio stop {app.name}")
    _reorder(supervisor)
    supervisor.remember()
    return Taken(tuple(notes), frozenset(renewed))


def take_spec(app: App, supervisor: "Supervisor") -> bool:
    """Give *app* the spec that the oxfile has now; instances too many are stopped.

    Returns whether anything changed. What runs has the new spec from its next life on.
    """
    spec = supervisor.config.app(app.name)
    if spec is None or (spec == app.spec and app.runs_as(spec)):
        return False
    for instance in app.take(spec):
        instance.retire("the oxfile asks for fewer instances")
    return True


def _reorder(supervisor: "Supervisor") -> None:
    """Apps are shown in the order of the oxfile."""
    order = {spec.name: number for number, spec in enumerate(supervisor.config.apps)}
    ordered = sorted(supervisor.apps.items(), key=lambda item: order.get(item[0], len(order)))
    supervisor.apps.clear()
    supervisor.apps.update(ordered)
