"""The top level of an oxfile, and the list of all its tables."""

from oxtrio.config.keys import Key, Later, Table, later
from oxtrio.config.kinds import choice, member
from oxtrio.config.tables.app import APP, UMASK_KEY
from oxtrio.config.tables.health import HEALTH
from oxtrio.config.tables.limits import LIMITS, RESOURCE_LIMITS, RLIMITS
from oxtrio.config.tables.logs import LOGGING, LOGS
from oxtrio.config.tables.sockets import LISTEN_TABLE
from oxtrio.config.tables.units import MILLISECONDS
from oxtrio.config.values import ENV, LABEL, TABLE
from oxtrio.model.spec import OnCrash

NAME = Key(
    name="name",
    kind=LABEL,
    default=None,
    unset="the path of the oxfile is the project's identity",
    meaning="The name of the project: `oxtrio -p <name>` then works from anywhere.",
    example='name = "shop"',
)
STOP_TIMEOUT = Key(
    name="stop_timeout_ms",
    kind=MILLISECONDS,
    default=None,
    unset="no bound of its own",
    meaning="How long a whole shutdown may take; what still runs then gets SIGKILL.",
    example="stop_timeout_ms = 9000",
)
LOG_LEVEL = Key(
    name="log_level",
    kind=choice("debug", "info", "warning", "error"),
    default="info",
    meaning="How much oxtrio tells of the life of apps, in `supervisor.log` and in `run`.",
    example='log_level = "debug"',
)
ON_CRASH = Key(
    name="on_crash",
    kind=member(OnCrash),
    default=OnCrash.ADOPT,
    meaning="What the next supervisor does with apps that one which died by force (`kill -9`) has "
    'left running: `"adopt"` goes on with them, `"kill"` ends them first.',
    example='on_crash = "kill"',
)
SUPERVISOR = Table(
    "[supervisor]",
    (NAME, STOP_TIMEOUT, LOG_LEVEL, UMASK_KEY, ON_CRASH),
    later("include"),
)

PROCESSES = Key(
    name="processes",
    kind=TABLE,
    default=None,
    table=APP,
    meaning="The apps, one table each: `[processes.<name>]`.",
)
ENV_KEY = Key(
    name="env",
    kind=ENV,
    default=None,
    meaning="Environment variables for all apps; an app's own `env` beats them.",
)
LOGGING_KEY = Key(
    name="logging",
    kind=TABLE,
    default=None,
    table=LOGGING,
    meaning="Defaults for `log_date_format` and the keys of `[processes.<name>.logs]`.",
)
SUPERVISOR_KEY = Key(
    name="supervisor",
    kind=TABLE,
    default=None,
    table=SUPERVISOR,
    meaning="Settings of the project itself.",
)

OTHER_DIALECT = 'write one [processes.<name>] table for each app, with "command"'
TOP = Table(
    "top level",
    (PROCESSES, ENV_KEY, LOGGING_KEY, SUPERVISOR_KEY),
    (
        *later("include", "http", "control"),
        *(
            Later(name=name, hint=OTHER_DIALECT)
            for name in ("version", "apps", "defaults", "deploy")
        ),
    ),
)

TABLES = (
    TOP,
    APP,
    LISTEN_TABLE,
    HEALTH,
    LIMITS,
    RESOURCE_LIMITS,
    RLIMITS,
    LOGS,
    LOGGING,
    SUPERVISOR,
)
"""Every table, in the order of the documentation."""


def known_keys() -> dict[str, tuple[str, ...]]:
    """The names of the supported keys of each table, by its header."""
    return {table.header: tuple(key.name for key in table.keys) for table in TABLES}


def later_keys() -> dict[str, tuple[str, ...]]:
    """The names of the keys that are refused as not supported yet, by the table's header."""
    return {table.header: tuple(key.name for key in table.later) for table in TABLES}
