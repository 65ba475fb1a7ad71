"""`[processes.<name>.health_check]` becomes a `HealthSpec`, and its part of a `ReadySpec`."""

from typing import Final

from oxtrio.config.command import check_placeholders
from oxtrio.config.endpoint import endpoint_problem
from oxtrio.config.expand import INSTANCE, PORT, served
from oxtrio.config.fields import Fields
from oxtrio.config.kinds import shown
from oxtrio.config.tables import health as keys
from oxtrio.config.tables import restart
from oxtrio.config.tables.app import HEALTH_CHECK
from oxtrio.config.tables.sockets import PORT as PORT_KEY
from oxtrio.model.spec import HealthSpec, ReadySpec

OF_AN_ANSWER: Final = (
    keys.STATUS,
    keys.INTERVAL,
    keys.TIMEOUT,
    keys.HEALTHY_THRESHOLD,
    keys.UNHEALTHY_THRESHOLD,
    keys.INITIAL_DELAY,
    keys.ON_UNHEALTHY,
)
"""Keys about something that is asked again and again."""


def read_health(app: Fields) -> HealthSpec | None:
    """What is asked of *app* while it runs, or None where nothing is."""
    if not app.has(HEALTH_CHECK):
        return None
    fields = app.inner(HEALTH_CHECK)
    _check_tests(app, fields)
    endpoint = _endpoint(app, fields)
    command = fields.take(keys.COMMAND_KEY)
    check_placeholders(app, fields, keys.COMMAND_KEY, command or "")
    if fields.has(keys.STATUS) and not (endpoint or "http").startswith("http"):
        fields.note(keys.STATUS, "has a meaning only with an http:// or https:// endpoint")
    health = HealthSpec(
        endpoint=endpoint,
        command=command,
        status=fields.take(keys.STATUS),
        interval=fields.take(keys.INTERVAL),
        timeout=fields.take(keys.TIMEOUT),
        healthy_threshold=fields.take(keys.HEALTHY_THRESHOLD),
        unhealthy_threshold=fields.take(keys.UNHEALTHY_THRESHOLD),
        initial_delay=fields.take(keys.INITIAL_DELAY),
        start_period=fields.take(keys.START_PERIOD),
        on_unhealthy=fields.take(keys.ON_UNHEALTHY),
    )
    return None if endpoint is None and command is None else health


def read_ready(app: Fields) -> ReadySpec:
    """When a run of *app* counts as up, whatever its health check answers."""
    fields = app.inner(HEALTH_CHECK)
    notify, log_line = fields.take(keys.NOTIFY), fields.take(keys.LOG_LINE)
    watchdog = fields.take(keys.WATCHDOG)
    if fields.has(keys.WATCHDOG) and not notify:
        fields.note(keys.WATCHDOG, "needs notify = true")
    start = app.take(restart.START_SECS)
    if start is None:
        one_shot = app.take(restart.RESTART_ON_EXIT) is False
        start = 0.0 if one_shot else ReadySpec().start
    says_so = notify or log_line is not None
    return ReadySpec(
        start=start,
        timeout=app.take(restart.READY_TIMEOUT),
        notify=notify,
        watchdog=watchdog,
        log_line=log_line,
        # Elsewhere it is that of the health check alone: the default, so that specs stay alike.
        period=fields.take(keys.START_PERIOD) if says_so else ReadySpec().period,
    )


def _check_tests(app: Fields, fields: Fields) -> None:
    asked = [key for key in (keys.ENDPOINT, keys.COMMAND_KEY) if fields.has(key)]
    if len(asked) > 1:
        fields.note(keys.COMMAND_KEY, "stands beside endpoint: a health check has only one of them")
    if asked or fields.refused:
        return
    if fields.take(keys.NOTIFY) or fields.has(keys.LOG_LINE):
        for key in OF_AN_ANSWER:
            if fields.has(key):
                fields.note(key, "has a meaning only with an endpoint or a command")
    elif not fields.has(keys.WATCHDOG):
        app.note(HEALTH_CHECK, "needs an endpoint, a command, notify = true or a log_line")


def _endpoint(app: Fields, fields: Fields) -> str | None:
    text = fields.take(keys.ENDPOINT)
    if text is None:
        return None
    port = app.take(PORT_KEY)
    endpoint = fields.expanded(keys.ENDPOINT, text, served(port))
    if endpoint.startswith("unix://~/"):
        endpoint = f"unix://{fields.oxfile.facts.home}{endpoint.removeprefix('unix://~')}"
    problem = endpoint_problem(endpoint.replace(INSTANCE, "0").replace(PORT, str(port or 1)))
    if problem:
        hint = "" if "://" in endpoint else f"such as http://{endpoint}"
        fields.note(keys.ENDPOINT, f"must {problem}, is {shown(endpoint)}", hint)
    return endpoint
