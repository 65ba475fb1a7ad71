"""The keys of `[processes.<name>]`."""

from oxtrio.config.keys import Key, Table, later
from oxtrio.config.kinds import BOOL, FILLED, STRING, integer, list_of
from oxtrio.config.tables.health import HEALTH
from oxtrio.config.tables.limits import LIMITS, RESOURCE_LIMITS, RLIMITS
from oxtrio.config.tables.logs import DATE_FORMAT, LOGS
from oxtrio.config.tables.restart import RESTART_KEYS
from oxtrio.config.tables.sockets import SOCKET_KEYS
from oxtrio.config.values import (
    COMMAND,
    ENV,
    INHERIT,
    INSTANCES,
    LABEL,
    LABELS,
    PATH,
    PATHS,
    TABLE,
    UMASK,
)

COMMAND_KEY = Key(
    name="command",
    kind=COMMAND,
    default=None,
    required=True,
    meaning="What runs. A string runs by `/bin/sh -c` (a single simple command gets `exec` put in "
    "front, so that the app itself is the main process); an array is executed directly.",
    example='command = ["python", "-m", "myapp"]',
)
WORKING_DIR = Key(
    name="working_dir",
    kind=PATH,
    default=None,
    unset="the folder of the oxfile",
    meaning="The folder that it runs in, resolved anew at every start.",
    example='working_dir = "/var/www/myapp"',
)
VENV = Key(
    name="venv",
    kind=PATH,
    default=None,
    meaning="A virtual environment: its `bin` comes first in PATH, and `VIRTUAL_ENV` is set. "
    "Resolved anew at every start.",
    example='venv = ".venv"',
)
INSTANCES_KEY = Key(
    name="instances",
    kind=INSTANCES,
    default=1,
    meaning='How many copies run, numbered from 0. `"max"`: one per CPU that oxtrio may use.',
    example="instances = 4",
)
ENV_KEY = Key(
    name="env",
    kind=ENV,
    default=None,
    unset="empty",
    meaning="Environment variables; they beat `env_file`, which beats the inherited environment. "
    "Numbers are written in decimal, booleans as `true` and `false`.",
    example='env = { DATABASE_URL = "${DATABASE_URL:-sqlite:///app.db}", DEBUG = false }',
)
ENV_FILE = Key(
    name="env_file",
    kind=PATHS,
    default=(),
    unset="none",
    meaning="Files in `.env` syntax; later ones beat earlier ones. Read again at every start, "
    "restart and reload. `$` in them is literal.",
    example='env_file = [".env", ".env.production"]',
)
INHERIT_ENV = Key(
    name="inherit_env",
    kind=INHERIT,
    default=True,
    meaning="`false`: of the inherited environment only PATH, HOME, USER, LOGNAME, SHELL, LANG, TZ "
    "and TERM. A list: only the variables named in it.",
    example='inherit_env = ["PATH", "HOME"]',
)
USER = Key(
    name="user",
    kind=FILLED,
    default=None,
    unset="oxtrio's own",
    meaning="Whom it runs as: sets uid, gid, supplementary groups, HOME, USER and LOGNAME. "
    "Only root may set it.",
    example='user = "www-data"',
)
GROUP = Key(
    name="group",
    kind=FILLED,
    default=None,
    unset="the user's own",
    meaning="The group it runs as. Only root may set it.",
    example='group = "www-data"',
)
GROUPS = Key(
    name="groups",
    kind=list_of(FILLED, "an array of group names"),
    default=None,
    unset="the user's own",
    meaning="Its supplementary groups. Only root may set them.",
    example='groups = ["adm"]',
)
UMASK_KEY = Key(
    name="umask",
    kind=UMASK,
    default=None,
    unset="inherited",
    meaning='The mask of its new files, in octal: `"027"` or `0o027`.',
    example='umask = "027"',
)
NICE = Key(
    name="nice",
    kind=integer(-20, 19),
    default=None,
    unset="inherited",
    meaning="Its scheduling priority; below 0 only root may set it.",
    example="nice = 10",
)
OOM_SCORE_ADJ = Key(
    name="oom_score_adj",
    kind=integer(-1000, 1000),
    default=None,
    unset="inherited",
    meaning="How early the kernel kills it when memory runs out; below 0 only root may set it.",
    example="oom_score_adj = 500",
)
TAGS = Key(
    name="tags",
    kind=LABELS,
    default=(),
    unset="none",
    meaning="Commands that take names take `tag:<tag>` too.",
    example='tags = ["web", "critical"]',
)
NAMESPACE = Key(
    name="namespace",
    kind=LABEL,
    default=None,
    meaning="A name for the group that it belongs to; commands that take names take it too.",
    example='namespace = "shop"',
)
DESCRIPTION = Key(
    name="description",
    kind=STRING,
    default=None,
    meaning="A sentence for people.",
    example='description = "the public API"',
)
ENABLED = Key(
    name="enabled",
    kind=BOOL,
    default=True,
    meaning="`false`: not started with the others.",
    example="enabled = false",
)
DISABLED = Key(
    name="disabled",
    kind=BOOL,
    default=False,
    meaning="The opposite of `enabled`; one of the two.",
    example="disabled = true",
)
LOG_FILE = Key(
    name="log_file",
    kind=PATH,
    default=None,
    unset="`logs/<name>.log` in the state folder; `oxtrio run` then writes no file",
    meaning="Where its stdout is written (and its stderr without `error_log_file`). All instances "
    "share the file unless the path contains `${instance}`. What is no regular file, such as "
    "`/dev/stdout`, is never rotated.",
    example='log_file = "/var/log/myapp/web.log"',
)
ERROR_LOG_FILE = Key(
    name="error_log_file",
    kind=PATH,
    default=None,
    unset="where stdout goes",
    meaning="Where its stderr is written.",
    example='error_log_file = "/var/log/myapp/web-error.log"',
)
HEALTH_CHECK = Key(
    name="health_check", kind=TABLE, default=None, table=HEALTH, meaning="How it is checked."
)
LIMITS_KEY = Key(name="limits", kind=TABLE, default=None, table=LIMITS, meaning="What it may use.")
RESOURCE_LIMITS_KEY = Key(
    name="resource_limits",
    kind=TABLE,
    default=None,
    table=RESOURCE_LIMITS,
    meaning="An older way to write limits.",
)
RLIMITS_KEY = Key(
    name="rlimits",
    kind=TABLE,
    default=None,
    table=RLIMITS,
    meaning="Limits of the system, per process.",
)
LOGS_KEY = Key(
    name="logs", kind=TABLE, default=None, table=LOGS, meaning="How its log files are rotated."
)

APP = Table(
    "[processes.<name>]",
    (
        COMMAND_KEY,
        WORKING_DIR,
        VENV,
        INSTANCES_KEY,
        *RESTART_KEYS,
        *SOCKET_KEYS,
        ENV_KEY,
        ENV_FILE,
        INHERIT_ENV,
        USER,
        GROUP,
        GROUPS,
        UMASK_KEY,
        NICE,
        OOM_SCORE_ADJ,
        RLIMITS_KEY,
        LOG_FILE,
        ERROR_LOG_FILE,
        DATE_FORMAT,
        LOGS_KEY,
        HEALTH_CHECK,
        LIMITS_KEY,
        RESOURCE_LIMITS_KEY,
        TAGS,
        NAMESPACE,
        DESCRIPTION,
        ENABLED,
        DISABLED,
    ),
    (
        *later("watch", "watch_extensions", "watch_ignore", "watch_delay_ms"),
        *later("schedule", "overlap", "timezone", "cron_restart", "webhook"),
        *later("pre_start", "post_start", "pre_stop", "post_stop", "pre_reload"),
        *later("hook_timeout_ms", "stop_command", "tty"),
    ),
)
