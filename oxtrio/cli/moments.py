"""Times of the command line: `10m` ago, or a moment."""

import re
from datetime import datetime

from oxtrio.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def wall_time(text: str, now: float) -> float:
    """Wall time in seconds for `10m`, `1h30m`, `2d` (before *now*), or an ISO 8601 time.

    A time without an offset is local time; a time of day alone is of today.
    UsageError for the rest.
    """
    word = text.strip()
    if _PART.sub("", word) == "" and word:
        return now - sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(word))
    try:
        return _moment(word, now).timestamp()
    except ValueError:
        raise UsageError(
            f"cannot read '{text}' as a time", hint="10m, 2h, 1d, 2025-12-31T23:59 or 23:59"
        ) from None


def _moment(word: str, now: float) -> datetime:
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", word):
        today = datetime.fromtimestamp(now).date().isoformat()
        return datetime.fromisoformat(f"{today}T{word.rjust(5 if len(word) < 6 else 8, '0')}")
    return datetime.fromisoformat(word)


def rfc3339(at: float) -> str:
    """Local time with its offset, to the millisecond."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")
