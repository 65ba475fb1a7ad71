"""`[processes.<name>.health_check]` becomes a `HealthSpec`."""

from oxtrio.config.endpoint import endpoint_problem
from oxtrio.config.expand import INSTANCE
from oxtrio.config.fields import Fields
from oxtrio.config.kinds import shown
from oxtrio.config.tables import health as keys
from oxtrio.config.tables.app import HEALTH_CHECK
from oxtrio.model.spec import HealthSpec


def read_health(app: Fields) -> HealthSpec | None:
    """The health check of *app*, or None where it has none."""
    if not app.has(HEALTH_CHECK):
        return None
    fields = app.inner(HEALTH_CHECK)
    endpoint = _endpoint(fields)
    command = fields.take(keys.COMMAND_KEY)
    _check_pair(app, fields)
    if fields.has(keys.STATUS) and not (endpoint or "http").startswith("http"):
        fields.note(keys.STATUS, "has a meaning only with an http:// or https:// endpoint")
    return HealthSpec(
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


def _check_pair(app: Fields, fields: Fields) -> None:
    asked = [key for key in (keys.ENDPOINT, keys.COMMAND_KEY) if fields.has(key)]
    if len(asked) > 1:
        fields.note(keys.COMMAND_KEY, "stands beside endpoint: a health check has only one of them")
    # A key of a later version has been refused already; it may be the one test that is meant.
    if not asked and not fields.refused:
        app.note(HEALTH_CHECK, "needs an endpoint or a command")


def _endpoint(fields: Fields) -> str | None:
    text = fields.take(keys.ENDPOINT)
    if text is None:
        return None
    endpoint = fields.expanded(keys.ENDPOINT, text, instance=True)
    if endpoint.startswith("unix://~/"):
        endpoint = f"unix://{fields.oxfile.facts.home}{endpoint.removeprefix('unix://~')}"
    problem = endpoint_problem(endpoint.replace(INSTANCE, "0"))
    if problem:
        hint = "" if "://" in endpoint else f"such as http://{endpoint}"
        fields.note(keys.ENDPOINT, f"must {problem}, is {shown(endpoint)}", hint)
    return endpoint
