"""The keys of `[processes.<name>.logs]` and `[logging]`."""

from oxtrio.config.keys import Key, Later, Table, later
from oxtrio.config.kinds import BOOL, FILLED, integer, member
from oxtrio.config.tables.units import MEGABYTES
from oxtrio.model.spec import WhenFull

MAX_SIZE = Key(
    name="max_size_mb",
    kind=MEGABYTES,
    default=100.0,
    meaning="The size at which a log file is rotated, in MiB.",
    example="max_size_mb = 200",
)
MAX_FILES = Key(
    name="max_files",
    kind=integer(1, 100_000),
    default=5,
    meaning="Rotated files that are kept.",
    example="max_files = 7",
)
COMPRESS = Key(
    name="compress",
    kind=BOOL,
    default=False,
    meaning="Whether rotated files are compressed with gzip.",
    example="compress = true",
)
WHEN_FULL = Key(
    name="when_full",
    kind=member(WhenFull),
    default=WhenFull.DROP,
    meaning="On a full disk: `drop` keeps 8 MiB per app waiting in memory, then drops whole lines "
    "and writes their number into the log when there is room again; `block` drops nothing and "
    "lets the app wait.",
    example='when_full = "block"',
)
DATE_FORMAT = Key(
    name="log_date_format",
    kind=FILLED,
    default=None,
    meaning="Puts the time in front of each line: strftime (`%Y-%m-%d %H:%M:%S`), moment.js tokens "
    "(`YYYY-MM-DD HH:mm:ss`) or `iso`.",
    unset="the app's own bytes",
    example='log_date_format = "YYYY-MM-DD HH:mm:ss"',
)

ROTATION = (MAX_SIZE, MAX_FILES, COMPRESS, WHEN_FULL)
LATER = (*later("level_pattern"), Later(name="to", only=["file"]))

LOGS = Table("[processes.<name>.logs]", ROTATION, LATER)
LOGGING = Table("[logging]", (*ROTATION, DATE_FORMAT), LATER)
