"""The ranges of times and sizes that oxfiles are written in."""

from oxtrio.config.kinds import integer, number

YEAR = 365 * 24 * 3600

MILLISECONDS = integer(0, YEAR * 1000)
WHOLE_SECONDS = integer(0, YEAR)
SECONDS = number(0, YEAR)
SOME_SECONDS = number(0, YEAR, above=True)
MEGABYTES = number(0, 1e9, above=True)
MILLION = 1_000_000
