"""Scale, drain, resume, pause: how many share the connections, and who of them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import trio

from oxtrio.errors import ConfigError, OxtrioError
from oxtrio.model.order import Failure, Report
from oxtrio.model.state import State
from oxtrio.process.instance import Instance
from oxtrio.supervisor.app import App
from oxtrio.supervisor.orders import Errand, require, step_of
from oxtrio.supervisor.rolling import resize
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.taking import take_config

PAUSING = 2.0
"""Seconds in which a SIGSTOP or SIGCONT shows."""


async def scale(errand: Errand) -> Report:
    """Run as many instances of one app as is asked, until the oxfile says another number.

    What is new counts when it is ready; what is too many gets no new connections, ends what it
    has accepted, and stops.
    """
    supervisor, order = errand.supervisor, errand.order
    # The number holds until the oxfile says another one than now; a broken one says none.
    with suppress(ConfigError):
        await take_config(supervisor)
    apps = list(dict.fromkeys(each.spec.name for each in select(supervisor.apps, order.names)))
    hint = "oxtrio scale api=4"
    require(len(order.names) == len(apps) == 1, "scale takes the name of one app", hint)
    count = order.instances
    require(count is not None and count >= 1, "scale takes a number from 1 on", hint)
    assert count is not None
    app = supervisor.apps[apps[0]]
    _refuse_shared_path(app, count)
    touched: list[Instance] = []
    async with app.rolling:
        supervisor.scaling.remember(app.name, count, supervisor.config)
        supervisor.config = supervisor.scaling.applied(supervisor.config)
        failures = await resize(errand, app, replace(app.spec, instances=count), touched)
    done = tuple(step_of(each) for each in app.instances)
    return Report(done=done, failures=tuple(failures))


def _refuse_shared_path(app: App, count: int) -> None:
    paths = [listen.path for listen in app.spec.listen if listen.path is not None]
    if count > 1 and any("${instance}" not in path for path in paths):
        raise OxtrioError(
            f"cannot scale {app.name}: several instances cannot share the socket {paths[0]}",
            "put ${instance} into its path, or let the server have workers",
        )


async def drain(errand: Errand) -> Report:
    """Send new connections elsewhere; it ends what it has accepted, and runs on.

    Returns when nobody waits in its queue any more. Cancelling ends the waiting.
    """
    chosen = _named(errand, "drain")
    _refuse_last(errand, chosen)
    failures = []
    async with trio.open_nursery() as nursery:
        for instance in chosen:
            place = instance.place
            if place is None:
                reason = "oxtrio holds no address for it, so it cannot send clients elsewhere"
                failures.append(Failure(name=instance.name, reason=reason))
            elif not all(address.steered for address in place.groups):
                reason = "its instances share one socket here: nobody can tell who accepts"
                failures.append(Failure(name=instance.name, reason=reason))
            else:
                instance.drain(drained=True)
                nursery.start_soon(place.wait_drained)
    return _report(chosen, failures)


def _refuse_last(errand: Errand, chosen: Sequence[Instance]) -> None:
    """Raise `OxtrioError` where nobody would be left to serve an address."""
    for app in errand.supervisor.apps.values():
        own = [each for each in app.instances if each in chosen]
        others = [
            each
            for each in app.instances
            if each not in chosen and not each.drained and each.state is State.RUNNING
        ]
        if own and own[0].place is not None and not others:
            raise OxtrioError(
                f"cannot drain {app.name}: no other instance of it is there for its clients",
                f"oxtrio scale {app.name}={len(app.instances) + 1}",
            )


async def resume(errand: Errand) -> Report:
    """Take back `drain` and `pause`."""
    chosen = _named(errand, "resume")
    for instance in chosen:
        instance.drain(drained=False)
        if instance.run is not None:
            instance.run.pause(paused=False)
    for instance in chosen:
        with trio.move_on_after(PAUSING):
            await instance.wait(lambda each=instance: each.state is not State.PAUSED)  # type: ignore[misc]
    return _report(chosen, [])


async def pause(errand: Errand) -> Report:
    """Stop all processes of a run where they are (SIGSTOP), until `resume`."""
    chosen = _named(errand, "pause")
    failures = []
    for instance in chosen:
        run = instance.live_run
        if run is None or not run.alive:
            failures.append(Failure(name=instance.name, reason=f"does not run: {instance.state}"))
            continue
        run.pause(paused=True)
        with trio.move_on_after(PAUSING):
            await instance.wait(lambda each=instance: each.state is not State.RUNNING)  # type: ignore[misc]
    return _report(chosen, failures)


def _named(errand: Errand, verb: str) -> list[Instance]:
    """What is named; nothing means nothing here, as everything at once is rarely meant."""
    names = errand.order.names
    require(bool(names), f"{verb} needs the name of an app", f"oxtrio {verb} api:0")
    return select(errand.supervisor.apps, names)


def _report(chosen: Sequence[Instance], failures: Sequence[Failure]) -> Report:
    return Report(done=tuple(step_of(each) for each in chosen), failures=tuple(failures))
