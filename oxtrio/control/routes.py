"""The control API: one row per route."""

from oxtrio.control.exchange import Reply, Request
from oxtrio.control.facade import Steered
from oxtrio.control.handlers import following, looking, ordering
from oxtrio.control.handlers.looking import AppReply, Health
from oxtrio.control.handlers.ordering import OneOrder
from oxtrio.control.openapi import describe
from oxtrio.control.query import Query
from oxtrio.control.replies import ErrorReply, json_reply
from oxtrio.control.route import Access, Parameter, Route
from oxtrio.control.wire import LogRecord, OrderLine, Readiness, Shutdown, SkippedLine
from oxtrio.model.log import Stream
from oxtrio.model.order import Order, Report, SupervisorStatus, Verb, Why
from oxtrio.model.status import Event, InstanceStatus

NAMES = Parameter("name", str, "App, `app:0`, `tag:x` or a glob; none means all", repeated=True)
FOLLOW = Parameter("follow", bool, "Go on with what is to come")

STATUS_QUERY = (NAMES, Parameter("fresh", bool, "Measure CPU and memory now"))

EVENTS_QUERY = (
    FOLLOW,
    Parameter("since", int, "Only events after this `seq`"),
    Parameter("last", int, "Only the last so many"),
)

LOGS_QUERY = (
    NAMES,
    FOLLOW,
    Parameter("lines", str, "The last so many that match (100), or `all`"),
    Parameter("since", float, "Wall time in seconds"),
    Parameter("until", float, "Wall time in seconds"),
    Parameter("grep", str, "A regular expression that the line must contain"),
    Parameter("level", str, "`error` shows error and worse"),
    Parameter("stream", Stream, "Only this stream"),
)

APP_VERBS = (
    *(Verb.START, Verb.STOP, Verb.RESTART, Verb.RELOAD, Verb.SIGNAL, Verb.RESET),
    *(Verb.SCALE, Verb.DRAIN, Verb.RESUME, Verb.PAUSE),
)


def document(steered: Steered, request: Request) -> Reply:
    """This table and its types as an OpenAPI document."""
    Query(request.query).finish()
    return json_reply(describe(ROUTES))


ROUTES = (
    Route(
        "GET", "/v1/status", looking.status, Access.READ, "What the instances are",
        gives=InstanceStatus, many=True, query=STATUS_QUERY,
    ),
    Route(
        "GET", "/v1/apps/{name}", looking.app, Access.READ, "One app with its instances",
        gives=AppReply,
    ),
    *(
        Route(
            "POST", f"/v1/apps/{{name}}/{verb}", ordering.app_order, Access.CHANGE,
            f"{verb.capitalize()} one app", takes=OneOrder, gives=Report, lines=(OrderLine,),
        )
        for verb in APP_VERBS
    ),
    Route(
        "POST", "/v1/orders", ordering.order, Access.CHANGE, "Carry out an order for any apps",
        takes=Order, lines=(OrderLine,),
    ),
    Route(
        "GET", "/v1/supervisor", looking.supervisor, Access.READ, "The supervisor itself",
        gives=SupervisorStatus,
    ),
    Route(
        "POST", "/v1/supervisor/shutdown", ordering.shutdown, Access.CHANGE,
        "Begin to end the supervisor and all its apps", takes=Shutdown, gives=SupervisorStatus,
    ),
    Route(
        "GET", "/v1/events", following.events, Access.FOLLOW, "What happened, and what happens",
        gives=Event, many=True, lines=(Event, ErrorReply), query=EVENTS_QUERY,
    ),
    Route(
        "GET", "/v1/logs", following.logs, Access.FOLLOW, "Output of the apps, merged in order",
        lines=(LogRecord, SkippedLine, ErrorReply), query=LOGS_QUERY,
    ),
    Route(
        "GET", "/v1/why/{name}", looking.why, Access.READ, "Why an instance is in its state",
        gives=Why,
    ),
    Route(
        "GET", "/healthz", looking.health, Access.PROBE, "Whether the supervisor serves",
        gives=Health,
    ),
    Route(
        "GET", "/readyz", looking.readiness, Access.PROBE, "Whether every wanted app is up",
        gives=Readiness,
    ),
    Route("GET", "/openapi.json", document, Access.PROBE, "This API", gives=dict),
)  # fmt: skip
"""Every route there is; what is not here is 404."""
