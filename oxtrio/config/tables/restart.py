"""The keys that say how an app starts, restarts and stops."""

from signal import Signals

from oxtrio.config.keys import Key
from oxtrio.config.kinds import BOOL, choice, integer, list_of, member
from oxtrio.config.tables.units import (
    MILLION,
    MILLISECONDS,
    SECONDS,
    SOME_SECONDS,
    WHOLE_SECONDS,
)
from oxtrio.config.values import DEPENDENCIES, SIGNAL
from oxtrio.model.spec import OnExit

RESTART_ON_EXIT = Key(
    name="restart_on_exit",
    kind=BOOL,
    default=None,
    unset="restart on failure",
    meaning="`true`: restart after any exit. `false`: a one-shot, never restarted. Unset: restart "
    "on failure (an exit code that is not in `exit_codes`, a signal, an unknown exit).",
    example="restart_on_exit = true",
)
RESTART_DELAY = Key(
    name="restart_delay_ms",
    kind=MILLISECONDS,
    default=None,
    unset="the first failure after a stable run restarts at once, the next after 100 ms, then "
    "doubling",
    meaning="The first delay; it doubles on each consecutive failure. 0: always at once (after 10 "
    "consecutive failures inside a second as if it were 100).",
    example="restart_delay_ms = 2000",
)
RESTART_DELAY_MAX = Key(
    name="restart_delay_max_ms",
    kind=MILLISECONDS,
    default=60_000,
    meaning="Where the growth of the delay ends. A longer `restart_delay_ms` is kept as it is.",
    example="restart_delay_max_ms = 10000",
)
MAX_RESTARTS = Key(
    name="max_restarts",
    kind=integer(0, MILLION),
    default=15,
    meaning="Consecutive failures after which it is given up (state `crashed`) until somebody "
    "starts it again. 0: never.",
    example="max_restarts = 10",
)
RESTART_WINDOW = Key(
    name="restart_window_secs",
    kind=WHOLE_SECONDS,
    default=60,
    meaning="A run that lasted this long clears the count of failures.",
    example="restart_window_secs = 300",
)
EXIT_CODES = Key(
    name="exit_codes",
    kind=list_of(integer(0, 255), "an array of exit codes (0 to 255)"),
    default=(0,),
    meaning="The exit codes that count as success.",
    example="exit_codes = [0, 3]",
)
START_SECS = Key(
    name="start_secs",
    kind=SECONDS,
    default=None,
    unset="1.0; 0 for one-shots",
    meaning="Where nothing tests whether it is ready (no health check, nothing held): it counts "
    "as up after this long.",
    example="start_secs = 2.5",
)
READY_TIMEOUT = Key(
    name="ready_timeout_secs",
    kind=SOME_SECONDS,
    default=60.0,
    meaning="How long a start, restart or reload that waits, waits until it is up.",
    example="ready_timeout_secs = 90",
)
STOP_SIGNAL = Key(
    name="stop_signal",
    kind=SIGNAL,
    default=Signals.SIGTERM,
    meaning="The signal that asks it to stop, with or without `SIG`, in any case.",
    example='stop_signal = "SIGINT"',
)
STOP_SIGNAL_TO = Key(
    name="stop_signal_to",
    kind=choice("main", "group"),
    default="main",
    meaning="Whom the stop signal reaches: the main process, or its whole process group.",
    example='stop_signal_to = "group"',
)
STOP_TIMEOUT = Key(
    name="stop_timeout_ms",
    kind=MILLISECONDS,
    default=10_000,
    meaning="How long it may take to stop; then everything of the run gets SIGKILL.",
    example="stop_timeout_ms = 30000",
)
DEPENDS_ON = Key(
    name="depends_on",
    kind=DEPENDENCIES,
    default=None,
    meaning="The apps that come first, as a list, or as a table with what each must have reached: "
    "`started`, `ready` (the default where something tests that it is, else `started`), `healthy`, "
    "`completed` (exited with success), `exited`. Conditions gate starts only.",
    example='depends_on = ["db", "redis"]',
)
START_DELAY = Key(
    name="start_delay_ms",
    kind=MILLISECONDS,
    default=0,
    meaning="A pause before each start that somebody asked for.",
    example="start_delay_ms = 500",
)
ON_EXIT = Key(
    name="on_exit",
    kind=member(OnExit),
    default=OnExit.NOTHING,
    meaning="`shutdown`: when it ends for good the whole project stops, and `oxtrio run` exits "
    "with its code.",
    example='on_exit = "shutdown"',
)

RESTART_KEYS = (
    RESTART_ON_EXIT,
    RESTART_DELAY,
    RESTART_DELAY_MAX,
    MAX_RESTARTS,
    RESTART_WINDOW,
    EXIT_CODES,
    START_SECS,
    READY_TIMEOUT,
    STOP_SIGNAL,
    STOP_SIGNAL_TO,
    STOP_TIMEOUT,
    DEPENDS_ON,
    START_DELAY,
    ON_EXIT,
)
