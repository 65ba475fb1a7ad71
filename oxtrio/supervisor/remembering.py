"""What the supervisor is now, as it will be remembered."""

from dataclasses import replace
from typing import TYPE_CHECKING

from oxtrio.process.instance import Instance
from oxtrio.process.record import boot_seconds
from oxtrio.supervisor.remembered import Remembered, RememberedInstance, Scaled, Versions
from oxtrio.system.proc import boot_id

if TYPE_CHECKING:
    from oxtrio.supervisor.supervisor import Supervisor


def remember(supervisor: "Supervisor", versions: Versions) -> Remembered:
    """All of it, at this moment."""
    versions.begin()
    instances = tuple(_instance(each, versions) for each in supervisor.instances())
    environment = versions.environment(supervisor.environ)
    apps = tuple((name, versions.spec(app.spec)) for name, app in supervisor.apps.items())
    asked = supervisor.scaling.asked
    return Remembered(
        boot_id=boot_id(),
        apps=apps,
        specs=versions.specs,
        environment=environment,
        environments=versions.environments,
        instances=instances,
        files=supervisor.config.files,
        supervisor=supervisor.config.supervisor,
        scaled=tuple(Scaled(app=name, said=said, asked=n) for name, (said, n) in asked.items()),
    )


def _instance(instance: Instance, versions: Versions) -> RememberedInstance:
    life = instance.life or instance.coming  # what is about to be adopted has not begun yet
    is_coming = life is not None and life is not instance.life
    next_at = instance.next_at
    if life is not None and life.delay and (is_coming or next_at is None):
        next_at = boot_seconds() + life.delay
    spec = life.spec if life is not None and life.spec is not None else instance.spec
    if life is not None and life.launched is not None:
        versions.spec(life.launched)  # its record speaks of it
    streak = life.streak if life is not None else None
    return RememberedInstance(
        app=instance.spec.name,
        number=instance.number,
        wanted=instance.wanted,
        state=instance.state,
        reason=instance.reason,
        version=versions.spec(spec),
        environment=versions.environment(life.inherited) if life is not None else "",
        drained=instance.drained,
        restarts=life.restarts if life is not None and is_coming else instance.restarts,
        failures=streak.failures if streak is not None else instance.failures,
        ends=streak.ends if streak is not None else 0,
        next_at=next_at,
        past=replace(instance.past, spec=None) if instance.past is not None else None,
    )
