"""The keys of `[processes.<name>.health_check]`."""

from oxtrio.config.keys import Key, Table
from oxtrio.config.kinds import BOOL, FILLED, integer, list_of, member
from oxtrio.config.tables.units import MILLION, SECONDS, SOME_SECONDS
from oxtrio.config.values import COMMAND, REGEX
from oxtrio.model.spec import OnUnhealthy

ENDPOINT = Key(
    name="endpoint",
    kind=FILLED,
    default=None,
    meaning="What is asked: an `http://` or `https://` URL, `tcp://host:port` or `unix:///path`.",
    example='endpoint = "http://localhost:8000/health"',
)
COMMAND_KEY = Key(
    name="command",
    kind=COMMAND,
    default=None,
    meaning="A command that passes when it exits with 0. It runs as the app would (user, folder, "
    "environment) and is killed with its group at the timeout. At most one of `endpoint` and "
    "`command`.",
    example='command = "redis-cli ping"',
)
NOTIFY = Key(
    name="notify",
    kind=BOOL,
    default=False,
    meaning="It says by `sd_notify` itself that it is ready (`READY=1`), at the address in "
    "`$NOTIFY_SOCKET`.",
    example="notify = true",
)
WATCHDOG = Key(
    name="watchdog_secs",
    kind=SOME_SECONDS,
    default=None,
    meaning="With `notify`: once it is ready, it must say `WATCHDOG=1` at least this often.",
    example="notify = true\nwatchdog_secs = 30",
)
LOG_LINE = Key(
    name="log_line",
    kind=REGEX,
    default=None,
    meaning="A regular expression (of Python): it is ready when a line of its output contains it.",
    example='log_line = "celery@.* ready"',
)
STATUS = Key(
    name="status",
    kind=list_of(integer(100, 599), "an array of HTTP status codes (100 to 599)"),
    default=(200,),
    meaning="The answers of an http(s) endpoint that pass. Redirects are not followed.",
    example='endpoint = "http://localhost:8000/"\nstatus = [200, 204]',
)
INTERVAL = Key(
    name="interval_secs",
    kind=SOME_SECONDS,
    default=30.0,
    meaning="Time between checks. Until the first pass it is checked at least once a second.",
    example="interval_secs = 10",
)
TIMEOUT = Key(
    name="timeout_secs",
    kind=SOME_SECONDS,
    default=5.0,
    meaning="No answer within this time is a failure.",
    example="timeout_secs = 2.5",
)
HEALTHY_THRESHOLD = Key(
    name="healthy_threshold",
    kind=integer(1, MILLION),
    default=1,
    meaning="Passes in a row that make it healthy.",
    example="healthy_threshold = 2",
)
UNHEALTHY_THRESHOLD = Key(
    name="unhealthy_threshold",
    kind=integer(1, MILLION),
    default=3,
    meaning="Failures in a row that make it unhealthy.",
    example="unhealthy_threshold = 5",
)
INITIAL_DELAY = Key(
    name="initial_delay_secs",
    kind=SECONDS,
    default=0.0,
    meaning="No check before this time after the start.",
    example="initial_delay_secs = 15",
)
START_PERIOD = Key(
    name="start_period_secs",
    kind=SECONDS,
    default=60.0,
    meaning="From the end of the initial delay: failures before the first pass do not count "
    "within it; after it the run counts as failed. With `notify` and `log_line`: how long it has "
    "to become ready.",
    example="start_period_secs = 120",
)
ON_UNHEALTHY = Key(
    name="on_unhealthy",
    kind=member(OnUnhealthy),
    default=OnUnhealthy.RESTART,
    meaning="What follows when it is unhealthy: a restart at once, or nothing.",
    example='on_unhealthy = "nothing"',
)

HEALTH = Table(
    "[processes.<name>.health_check]",
    (
        ENDPOINT,
        COMMAND_KEY,
        NOTIFY,
        WATCHDOG,
        LOG_LINE,
        STATUS,
        INTERVAL,
        TIMEOUT,
        HEALTHY_THRESHOLD,
        UNHEALTHY_THRESHOLD,
        INITIAL_DELAY,
        START_PERIOD,
        ON_UNHEALTHY,
    ),
)
