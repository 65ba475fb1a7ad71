"""Orders: what changes something. A client that goes away leaves them running."""

from dataclasses import dataclass

from oxtrio.control.exchange import Reply, Request, Stream
from oxtrio.control.facade import Steered
from oxtrio.control.messages import read_request, write_order_line
from oxtrio.control.outbox import NDJSON, SERVER_SENT_EVENTS, Format, Outbox, choose_format
from oxtrio.control.query import Query
from oxtrio.control.replies import json_reply
from oxtrio.control.wire import OrderLine, Shutdown
from oxtrio.errors import UsageError
from oxtrio.model.order import Order, Step, Verb

MOST_INSTANCES = 10_000
"""Of one app; as many as an oxfile may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrder:
    """What may be asked of one app, beside the verb and the name, which the path holds."""

    wait: bool = True
    timeout: float | None = None
    """Seconds after which waiting ends; the operation itself goes on."""
    env: tuple[tuple[str, str], ...] | None = None
    if_changed: bool = False
    dry_run: bool = False
    signal: str = ""
    instances: int | None = None
    """For `scale`: how many."""


# Nothing here awaits before `carry_out` is called: an order that has arrived as a whole is
# carried out even when its sender is gone the moment after.


def order(steered: Steered, request: Request) -> Stream:
    """Carry out an order for any number of apps, telling every step."""
    Query(request.query).finish()
    wanted = _checked(read_request(Order, request.body))
    return _told(steered, wanted, choose_format(request.header("accept")))


async def app_order(steered: Steered, request: Request) -> Reply | Stream:
    """Carry out an order for one app; its steps are told to who accepts a stream."""
    Query(request.query).finish()
    wanted = _for_one(request, read_request(OneOrder, request.body))
    accept = request.header("accept")
    if any(style.content_type in accept for style in (NDJSON, SERVER_SENT_EVENTS)):
        return _told(steered, wanted, choose_format(accept))
    return json_reply(await steered.carry_out(wanted, _tell_nobody))


def shutdown(steered: Steered, request: Request) -> Reply:
    """Begin to end the supervisor and all its apps; the answer does not wait for it."""
    Query(request.query).finish()
    steered.shutdown(read_request(Shutdown, request.body).kill)
    return json_reply(steered.supervisor_status(), 202)


def _for_one(request: Request, asked: OneOrder) -> Order:
    return _checked(
        Order(
            verb=Verb(request.path.rpartition("/")[2]),
            names=(request.params["name"],),
            wait=asked.wait,
            timeout=asked.timeout,
            env=asked.env,
            if_changed=asked.if_changed,
            dry_run=asked.dry_run,
            signal=asked.signal,
            instances=asked.instances,
        )
    )


def _checked(wanted: Order) -> Order:
    if wanted.timeout is not None and wanted.timeout < 0:
        raise UsageError("timeout must not be negative")
    if wanted.verb is Verb.SCALE:
        _check_scale(wanted)
    return wanted


def _check_scale(wanted: Order) -> None:
    if len(wanted.names) != 1:
        raise UsageError("scale needs the name of exactly one app")
    if wanted.instances is None or not 1 <= wanted.instances <= MOST_INSTANCES:
        raise UsageError(f"scale needs instances, a number from 1 to {MOST_INSTANCES}")


def _told(steered: Steered, wanted: Order, style: Format) -> Stream:
    async def fill(outbox: Outbox) -> None:
        def tell(step: Step) -> None:
            outbox.put_nowait("step", write_order_line(OrderLine(step=step)))

        outbox.open()
        report = await steered.carry_out(wanted, tell)
        await outbox.put("report", write_order_line(OrderLine(report=report)))

    return Stream(style=style, fill=fill)


def _tell_nobody(step: Step) -> None:
    """A client that takes one reply hears of the end only."""
