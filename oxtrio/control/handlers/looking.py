"""Answers that only look: status, why, the supervisor, readiness."""

from dataclasses import dataclass
from http import HTTPStatus

from oxtrio.control.exchange import Reply, Request
from oxtrio.control.facade import Steered
from oxtrio.control.query import Query
from oxtrio.control.replies import json_reply
from oxtrio.control.wire import Readiness, Unready
from oxtrio.model.state import State
from oxtrio.model.status import InstanceStatus

UP = frozenset({State.RUNNING, State.RELOADING, State.DRAINED, State.EXITED})
"""What a wanted instance may be while all is well; EXITED is ended as meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppReply:
    """One app, with its instances."""

    name: str
    instances: tuple[InstanceStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """That the supervisor serves."""

    status: str = "ok"


async def status(steered: Steered, request: Request) -> Reply:
    """The instances that are asked for, or all."""
    query = Query(request.query)
    names, fresh = query.all("name"), query.flag("fresh")
    query.finish()
    return json_reply(await steered.measured_status(names) if fresh else steered.status(names))


def app(steered: Steered, request: Request) -> Reply:
    """One app with its instances."""
    Query(request.query).finish()
    name = request.params["name"]
    return json_reply(AppReply(name=name, instances=steered.status((name,))))


async def why(steered: Steered, request: Request) -> Reply:
    """Why one instance is in its state."""
    Query(request.query).finish()
    return json_reply(await steered.why(request.params["name"]))


def supervisor(steered: Steered, request: Request) -> Reply:
    """The supervisor itself."""
    Query(request.query).finish()
    return json_reply(steered.supervisor_status())


def health(steered: Steered, request: Request) -> Reply:
    """That the supervisor serves, which is proved by this very answer."""
    return json_reply(Health())


def readiness(steered: Steered, request: Request) -> Reply:
    """Whether every wanted app is up; a project that is being stopped is not ready."""
    unready = tuple(
        Unready(name=one.name, status=str(one.status), reason=one.reason)
        for one in steered.status(())
        if is_unready(one)
    )
    ready = not unready and not steered.supervisor_status().stopping
    code = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return json_reply(Readiness(ready=ready, unready=unready), code)


def is_unready(instance: InstanceStatus) -> bool:
    """Whether it is wanted and not up."""
    return instance.wanted and instance.status not in UP
