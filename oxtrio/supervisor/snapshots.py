"""From instances to the frozen rows that `status` shows."""

import time

from oxtrio.model.exit import signal_name
from oxtrio.model.spec import AppSpec, ReloadManner
from oxtrio.model.state import ALIVE, State
from oxtrio.model.status import InstanceStatus, LastExit
from oxtrio.model.usage import Usage
from oxtrio.policy.explain import short_reason
from oxtrio.policy.quantities import counted
from oxtrio.policy.versions import version_of
from oxtrio.process.record import boot_seconds
from oxtrio.process.standing import Standing
from oxtrio.supervisor.journal import rfc3339
from oxtrio.supervisor.reasons import facts_of


def snapshot(instance: Standing, config: str) -> InstanceStatus:
    """What *instance* is now. No value of an environment variable is in it."""
    run, live, spec = instance.run, instance.live_run, instance.spec
    usage = live.last_usage if live is not None else None
    started = instance.started_at if live is not None else None
    uptime = live.record.record.age if live is not None else None
    return InstanceStatus(
        name=instance.name,
        app=spec.name,
        instance=instance.number,
        pid=instance.pid,
        status=instance.shown,
        health=_health(instance),
        cpu_percent=_cpu_percent(usage, uptime),
        memory_bytes=usage.memory if usage else None,
        restarts=instance.restarts,
        uptime_secs=uptime,
        started_at=rfc3339(started) if started is not None else None,
        exit=_last_exit(instance),
        reason=_reason(instance),
        since=rfc3339(instance.since),
        next_at=_next_at(instance),
        listen=_listen(instance),
        command=command_text(spec),
        config=config,
        tags=spec.tags,
        version=version_of(spec),
        wanted=instance.wanted,
        enabled=spec.enabled,
        namespace=spec.namespace,
        description=spec.description,
        reload=_manner(instance),
        gap=_gap(instance),
        said=run.said or None if run is not None else None,
        last_health=run.last_answer.text if run is not None and run.last_answer else None,
        leftover=run.left_behind() if run is not None and live is None else 0,
    )


def command_text(spec: AppSpec) -> str:
    """The command as the oxfile has it; an array as a shell would write it."""
    return spec.command if isinstance(spec.command, str) else " ".join(spec.command)


def _listen(instance: Standing) -> tuple[str, ...]:
    return tuple(map(str, instance.place.listens)) if instance.place is not None else ()


def _manner(instance: Standing) -> str:
    """How a reload replaces it; before its first run nobody has looked."""
    serving = instance.serving
    if serving is None:
        return instance.spec.reload.manner or ReloadManner.RESTART
    if serving.succession.manner is ReloadManner.SIGNAL and instance.spec.reload.signal:
        return instance.spec.reload.signal.name
    return serving.succession.manner


def _gap(instance: Standing) -> str:
    serving = instance.serving
    if serving is None or serving.succession.manner is not ReloadManner.RESTART:
        return ""
    return serving.succession.gap


def _cpu_percent(usage: Usage | None, uptime: float | None) -> float | None:
    """Of the last period; before there are two looks, over its life, as `ps` shows it."""
    if usage is None or uptime is None:
        return None
    if usage.cpu_percent is not None:
        return usage.cpu_percent
    return round(100 * usage.cpu_seconds / max(uptime, 0.1), 1)


def _next_at(instance: Standing) -> str | None:
    if instance.state is not State.BACKOFF or instance.next_at is None:
        return None
    return rfc3339(time.time() + instance.next_at - boot_seconds())


def _health(instance: Standing) -> str:
    if instance.spec.health is None or instance.state not in ALIVE:
        return "-"
    if instance.state is State.UNHEALTHY:
        return "unhealthy"
    run = instance.run
    return "healthy" if run is not None and run.ready else "starting"


def _last_exit(instance: Standing) -> LastExit | None:
    past = instance.past
    if past is None:
        return None
    name = signal_name(past.exit.signal) if past.exit.signal is not None else None
    return LastExit(code=past.exit.code, signal=name, at=rfc3339(past.at), reason=past.why)


def _reason(instance: Standing) -> str:
    reason, run = short_reason(facts_of(instance)), instance.run
    if run is None or run.alive or instance.state not in (State.EXITED, State.CRASHED):
        return reason
    left = run.left_behind()
    return f"{reason}, {counted(left, 'process')} left" if left else reason
