"""The orders, one function each, and the table of them."""

from collections.abc import Sequence
from signal import Signals

import trio

from oxtrio.model.order import Failure, Report, Until, Verb
from oxtrio.model.state import ALIVE, State
from oxtrio.policy.order import dependents, with_dependencies
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.supervisor.orders import (
    Carry,
    Errand,
    failure_of,
    require,
    step_of,
    wait_down,
    wait_lives,
)
from oxtrio.supervisor.reloading import reload
from oxtrio.supervisor.restarting import restart
from oxtrio.supervisor.rotating import drain, pause, resume, scale
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.taking import take_config
from oxtrio.supervisor.upgrading import upgrade


async def start(errand: Errand) -> Report:
    """Start what is not up, with its dependencies; what runs is never touched."""
    supervisor, order = errand.supervisor, errand.order
    taken = await take_config(supervisor)
    named = select(supervisor.apps, order.names)
    chosen = _with_dependencies(errand, named)
    # What has ended as meant is only run again when its name is said.
    again = set(named) if order.names else set()
    wanted = [each for each in chosen if each.state is not State.EXITED or each in again]
    if order.dry_run:
        return Report(notes=(*taken.notes, _would_start(wanted)))
    lives: dict[Instance, Life] = {}
    for instance in wanted:
        # What waits with a spec that has been corrected begins anew; it is not up, so nothing ends.
        begin = instance.restart if instance.spec.name in taken.renewed else instance.start
        lives[instance] = begin(errand.life("started"))
    failures = await wait_lives(errand, lives) if order.wait else []
    notices, supervisor.notices = tuple(supervisor.notices), []
    return Report(
        done=tuple(step_of(each) for each in chosen),
        failures=tuple(failures),
        notes=taken.notes,
        warnings=(*supervisor.config.warnings, *notices),
    )


def _with_dependencies(errand: Errand, named: Sequence[Instance]) -> list[Instance]:
    """What is named, and all instances of what it needs, in the order of the oxfile."""
    supervisor = errand.supervisor
    own = {each.spec.name for each in named}
    return [
        instance
        for name in with_dependencies(own, supervisor.graph())
        for instance in supervisor.apps[name].instances
        if name not in own or instance in named
    ]


def _would_start(instances: list[Instance]) -> str:
    counts: dict[str, int] = {}
    for instance in instances:
        if instance.state not in ALIVE:
            counts[instance.spec.name] = counts.get(instance.spec.name, 0) + 1
    if not counts:
        return "Nothing to start: everything is up"
    names = [f"{name} (×{n} instances)" if n > 1 else name for name, n in counts.items()]
    return f"Would start: {', '.join(names)}"


async def stop(errand: Errand) -> Report:
    """Stop what is named; without a name everything, and the supervisor with it."""
    supervisor, order = errand.supervisor, errand.order
    if not order.names:
        everything = supervisor.instances()
        was_up = [each for each in everything if not each.is_down]
        supervisor.shutdown(kill=False)
        if order.wait:
            await supervisor.shutdown_done.wait()
        stuck = [each for each in everything if each.state is State.STUCK]
        failures = tuple(Failure(name=each.name, reason=each.reason) for each in stuck)
        done = tuple(step_of(each) for each in was_up)
        return Report(done=done, failures=failures, ends_supervisor=True)
    chosen = select(supervisor.apps, order.names)
    await _stop_in_order(errand, chosen)
    failures = tuple(await wait_down(errand, chosen)) if order.wait else ()
    return Report(done=tuple(step_of(each) for each in chosen), failures=failures)


async def _stop_in_order(errand: Errand, chosen: list[Instance]) -> None:
    """Tell each one when those of *chosen* that depend on it are down."""
    graph = errand.supervisor.graph()
    users = dependents(graph)
    by_app: dict[str, list[Instance]] = {}
    for instance in chosen:
        by_app.setdefault(instance.spec.name, []).append(instance)
    down = {name: trio.Event() for name in by_app}

    async def end(name: str, instances: list[Instance]) -> None:
        for user in users[name]:
            if user in down:
                await down[user].wait()
        for instance in instances:
            instance.stop("stopped by the operator")
        if any(needed in down for needed in graph[name]):
            await wait_down(errand, instances)
        down[name].set()

    async with trio.open_nursery() as nursery:
        for name, instances in by_app.items():
            nursery.start_soon(end, name, instances)


async def reset(errand: Errand) -> Report:  # noqa: ASYNC124 - the shape of all orders
    """Forget the failures and restarts of what is named."""
    chosen = select(errand.supervisor.apps, errand.order.names)
    for instance in chosen:
        instance.reset()
    return Report(done=tuple(step_of(each) for each in chosen))


async def send_signal(errand: Errand) -> Report:  # noqa: ASYNC124 - the shape of all orders
    """Send a signal to the main process of what is named."""
    order = errand.order
    require(bool(order.names), "signal needs the name of an app", "oxtrio signal HUP api")
    name = order.signal.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    require(name in Signals.__members__, f"unknown signal '{order.signal}'", "kill -l lists them")
    chosen = select(errand.supervisor.apps, order.names)
    failures = []
    for instance in chosen:
        run = instance.run
        if run is None or not run.signal(Signals[name]):
            failures.append(Failure(name=instance.name, reason=f"does not run: {instance.state}"))
    return Report(done=tuple(step_of(each) for each in chosen), failures=tuple(failures))


async def wait(errand: Errand) -> Report:
    """Wait until all that is named is as asked; fails when it no longer can be."""
    order = errand.order
    chosen = select(errand.supervisor.apps, order.names)
    failures: list[Failure] = []

    def hopeless(instance: Instance) -> bool:
        waits_in_vain = errand.supervisor.dependencies.has_failed(instance)
        return _hopeless(instance, order.until, waits_in_vain)

    async def wait_one(instance: Instance) -> None:
        await instance.wait(lambda: _met(instance, order.until) or hopeless(instance))
        errand.tell(step_of(instance))
        if not _met(instance, order.until):
            detail = f" ({instance.reason})" if instance.reason else ""
            failures.append(failure_of(instance, f"it is {instance.state}{detail}"))

    async with trio.open_nursery() as nursery:
        for instance in chosen:
            nursery.start_soon(wait_one, instance)
    return Report(done=tuple(step_of(each) for each in chosen), failures=tuple(failures))


_REACHED = {
    Until.RUNNING: frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY}),
    Until.READY: frozenset({State.RUNNING, State.UNHEALTHY}),
    Until.HEALTHY: frozenset({State.RUNNING}),
    Until.EXITED: frozenset({State.EXITED, State.CRASHED}),
    Until.STOPPED: frozenset({State.STOPPED}),
}


def _met(instance: Instance, until: Until) -> bool:
    return instance.state in _REACHED[until]


def _hopeless(instance: Instance, until: Until, waits_in_vain: bool) -> bool:
    """Whether only an operator could still bring it there."""
    if not instance.is_settled:
        return False
    if until is Until.STOPPED:
        return False  # an operator may stop it at any time: that is what is waited for
    if instance.state is State.BLOCKED:
        return waits_in_vain
    return instance.state in (State.STOPPED, State.EXITED, State.CRASHED, State.STUCK)


VERBS: dict[Verb, Carry] = {
    Verb.START: start,
    Verb.STOP: stop,
    Verb.RESTART: restart,
    Verb.RELOAD: reload,
    Verb.RESET: reset,
    Verb.SIGNAL: send_signal,
    Verb.WAIT: wait,
    Verb.SCALE: scale,
    Verb.DRAIN: drain,
    Verb.RESUME: resume,
    Verb.PAUSE: pause,
    Verb.UPGRADE: upgrade,
}
