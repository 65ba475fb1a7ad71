"""The keys that bound what an app may use: `limits`, its older alias, and `rlimits`."""

from typing import Final

from oxtrio.config.keys import Key, Table, later
from oxtrio.config.kinds import integer, number
from oxtrio.config.tables.units import MEGABYTES, SOME_SECONDS
from oxtrio.config.values import MOST_RLIMIT, RLIMIT

MEMORY = Key(
    name="memory_mb",
    kind=MEGABYTES,
    default=None,
    meaning="Memory of the whole run, in MiB. Shared pages of forked workers count once where the "
    "kernel lets oxtrio see them. Above it the app is restarted in order.",
    example="memory_mb = 512",
)
CPU = Key(
    name="cpu_percent",
    kind=number(0, 1e6, "a number above 0: percent of a core", above=True),
    default=None,
    meaning="CPU of the whole run, 100 being one core. Above it for the whole window the app is "
    "restarted in order.",
    example="cpu_percent = 150",
)
CPU_WINDOW = Key(
    name="cpu_window_secs",
    kind=SOME_SECONDS,
    default=60.0,
    meaning="The time over which CPU is measured.",
    example="cpu_percent = 90\ncpu_window_secs = 30",
)
LIMITS = Table(
    "[processes.<name>.limits]",
    (MEMORY, CPU, CPU_WINDOW),
    later("max_age_secs", "max_age_jitter_secs", "max_tasks", "enforce"),
)

MAX_MEMORY = Key(
    name="max_memory_mb",
    kind=MEGABYTES,
    default=None,
    meaning="The same as `memory_mb` in `[processes.<name>.limits]`.",
    example="max_memory_mb = 512",
)
MAX_OPEN_FILES = Key(
    name="max_open_files",
    kind=integer(0, MOST_RLIMIT),
    default=None,
    meaning="The same as `nofile` in `[processes.<name>.rlimits]`.",
    example="max_open_files = 1024",
)
RESOURCE_LIMITS = Table("[processes.<name>.resource_limits]", (MAX_MEMORY, MAX_OPEN_FILES))

MEANINGS: Final = {
    "as": "Address space, in bytes.",
    "core": "Size of core files, in bytes.",
    "cpu": "CPU time, in seconds.",
    "data": "Data segment, in bytes.",
    "fsize": "Size of files that it writes, in bytes.",
    "memlock": "Memory locked into RAM, in bytes.",
    "msgqueue": "POSIX message queues, in bytes.",
    "nice": "Ceiling of the nice value, as 20 - nice.",
    "nofile": "Open files. It is the descriptor limit of each process of the app.",
    "nproc": "Processes and threads of the user.",
    "rss": "Resident memory, in bytes (Linux ignores it: use `[.limits] memory_mb`).",
    "rtprio": "Ceiling of the real-time priority.",
    "rttime": "Real-time CPU time without a blocking call, in microseconds.",
    "sigpending": "Signals that are queued.",
    "stack": "Stack, in bytes.",
}
RLIMITS = Table(
    "[processes.<name>.rlimits]",
    tuple(
        Key(name=name, kind=RLIMIT, default=None, unset="inherited", meaning=meaning)
        for name, meaning in MEANINGS.items()
    ),
)
