"""`log_date_format`: what stands before each line of a log."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

_MOMENT = re.compile(
    r"\[([^\]]*)\]|YYYY|YY|MMMM|MMM|MM|M|DDDD|DDD|Do|DD|D|dddd|ddd|d|HH|H|hh|h|kk|k|mm|m|ss|s"
    r"|S{1,9}|A|a|ZZ|Z|X|x|Q|WW|W|E"
)
_TOKENS: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda at: f"{at.year:04}",
    "YY": lambda at: f"{at.year % 100:02}",
    "MMMM": lambda at: at.strftime("%B"),
    "MMM": lambda at: at.strftime("%b"),
    "MM": lambda at: f"{at.month:02}",
    "M": lambda at: str(at.month),
    "DDDD": lambda at: at.strftime("%j"),
    "DDD": lambda at: str(at.timetuple().tm_yday),
    "Do": lambda at: _ordinal(at.day),
    "DD": lambda at: f"{at.day:02}",
    "D": lambda at: str(at.day),
    "dddd": lambda at: at.strftime("%A"),
    "ddd": lambda at: at.strftime("%a"),
    "d": lambda at: str(at.isoweekday() % 7),
    "HH": lambda at: f"{at.hour:02}",
    "H": lambda at: str(at.hour),
    "hh": lambda at: f"{at.hour % 12 or 12:02}",
    "h": lambda at: str(at.hour % 12 or 12),
    "kk": lambda at: f"{at.hour or 24:02}",
    "k": lambda at: str(at.hour or 24),
    "mm": lambda at: f"{at.minute:02}",
    "m": lambda at: str(at.minute),
    "ss": lambda at: f"{at.second:02}",
    "s": lambda at: str(at.second),
    "A": lambda at: "AM" if at.hour < 12 else "PM",
    "a": lambda at: "am" if at.hour < 12 else "pm",
    "ZZ": lambda at: at.strftime("%z"),
    "Z": lambda at: _offset(at),
    "X": lambda at: str(int(at.timestamp())),
    "x": lambda at: str(int(at.timestamp() * 1000)),
    "Q": lambda at: str((at.month + 2) // 3),
    "WW": lambda at: f"{at.isocalendar().week:02}",
    "W": lambda at: str(at.isocalendar().week),
    "E": lambda at: str(at.isoweekday()),
}


def date_prefix(layout: str) -> Callable[[float], bytes]:
    """The function from wall time (seconds) to the prefix of a line, such as `2030-01-02: `.

    *layout* is `iso`, strftime (anything with a `%`) or moment.js tokens with `[literal]` text.
    The time is local.
    """
    if layout == "iso":
        return lambda wall: f"{_local(wall).isoformat(timespec='milliseconds')}: ".encode()
    if "%" in layout:
        return lambda wall: f"{_local(wall).strftime(layout)}: ".encode(errors="replace")
    parts = _parts(layout)
    return lambda wall: _joined(parts, _local(wall))


def _parts(layout: str) -> tuple[str | Callable[[datetime], str], ...]:
    parts: list[str | Callable[[datetime], str]] = []
    end = 0
    for found in _MOMENT.finditer(layout):
        parts.append(layout[end : found.start()])
        token = found[0]
        if token.startswith("["):
            parts.append(found[1])
        elif token.startswith("S"):
            parts.append(partial(_fraction, len(token)))
        else:
            parts.append(_TOKENS[token])
        end = found.end()
    return (*parts, layout[end:])


def _joined(parts: tuple[str | Callable[[datetime], str], ...], at: datetime) -> bytes:
    text = "".join(part if isinstance(part, str) else part(at) for part in parts)
    return f"{text}: ".encode(errors="replace")


def _local(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC).astimezone()


def _fraction(digits: int, at: datetime) -> str:
    return f"{at.microsecond:06}000"[:digits]


def _offset(at: datetime) -> str:
    plain = at.strftime("%z")
    return f"{plain[:3]}:{plain[3:5]}"


def _ordinal(day: int) -> str:
    suffix = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{suffix}"
