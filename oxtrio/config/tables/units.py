"""The ranges of times and sizes that oxfiles are written in."""

from oxtrio.config.kinds import integer, number

YEAR = 365 * 24 * 3600

MILLISECONDS = integer(0, YEAR * 1000, "an integer: milliseconds, from 0 to a year")
WHOLE_SECONDS = integer(0, YEAR, "an integer: seconds, from 0 to a year")
SECONDS = number(0, YEAR, "a number: seconds, from 0 to a year")
SOME_SECONDS = number(0, YEAR, "a number: seconds, above 0, up to a year", above=True)
MEGABYTES = number(0, 1e9, "a number above 0: MiB", above=True)
MILLION = 1_000_000
