"""Addresses: the one that an app could not take, and the one it could not reach.

Read from the last lines of its output and from its command; see `symptoms`.
"""

import re

from oxtrio.policy.symptoms import Command, Lines, plain, words_of

Address = tuple[str | None, int]
"""Host and port; no host means any, or one that nothing tells."""

_IN_USE = re.compile(
    r"address (?:is )?already in use|address in use|EADDRINUSE|connection in use"
    r"|port (?:\S+ )?(?:is|was) (?:already )?in use",
    re.IGNORECASE,
)
_ADDRESSES = (
    re.compile(r"\('(?P<host>[^']*)', (?P<port>\d+)"),
    re.compile(r"[\"'](?P<host>[^\"' ]+)[\"'](?: \([^)]*\))?,? (?:on )?port (?P<port>\d+)"),
    # A name may not be that of a source file, whose "port" would be a line.
    re.compile(
        r"(?<![\w:.])(?P<host>\*|::|\[[\da-fA-F:]+\]|[A-Za-z\d][\w.-]*(?<!\.py)(?<!\.js)|)"
        r":(?P<port>\d{2,5})\b"
    ),
    re.compile(r"(?P<host>)\b[Pp]ort (?P<port>\d+)"),
)
_TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}\S*")


def is_address_in_use(lines: Lines) -> bool:
    """Whether the app could not take its address because somebody else has it."""
    return any(_IN_USE.search(line) for line in plain(lines))


def address_in_use(lines: Lines, command: Command) -> Address | None:
    """The address that the app could not take, as it says or else as *command* asks for it.

    The host is None where it is any address, or not known. None: no such trouble, or
    nothing tells which address.
    """
    said = plain(lines)
    where = [number for number, line in enumerate(said) if _IN_USE.search(line)]
    if not where:
        return None
    # The line itself before its neighbours: Flask and PostgreSQL name the port in the next one.
    near = [said[where[-1]], *(said[number] for number in where), *said[where[-1] + 1 :][:2]]
    return next(filter(None, map(_address_in, near)), None) or address_of_command(command)


_REFUSED = re.compile(
    r"connection refused|connect call failed|ECONNREFUSED|err(?:no|or) 111\b", re.IGNORECASE
)


def refused_connection(lines: Lines) -> str | None:
    """`localhost:5432`, to which the app could not connect; "" where it does not say which."""
    refused = [line for line in plain(lines) if _REFUSED.search(line)]
    if not refused:
        return None
    found = next(filter(None, map(_address_in, reversed(refused))), None)
    return "" if found is None else f"{found[0] or 'localhost'}:{found[1]}"


DEFAULT_PORTS = {
    "uvicorn": 8000,
    "gunicorn": 8000,
    "hypercorn": 8000,
    "granian": 8000,
    "daphne": 8000,
    "runserver": 8000,
    "http.server": 8000,
    "flask": 5000,
    "flower": 5555,
    "redis-server": 6379,
    "postgres": 5432,
    "streamlit": 8501,
}
"""Where a server listens when its command does not say."""

_PORT_OPTION = re.compile(r"^(?:--port|--server\.port|-p)(?:=(?P<port>\d+))?$")
_HOST_OPTION = re.compile(r"^(?:--host|-h|--bind|-b)(?:=(?P<host>.+))?$")
_BOUND = re.compile(
    r"^(?:(?:--bind|-b|--listen|--http)=?)?(?P<host>\[[\da-fA-F:]+\]|[\w.-]*|\*):(?P<port>\d+)$"
)


def address_of_command(command: Command) -> Address | None:
    """The address that a server started by *command* takes."""
    words = words_of(command)
    for word in words:
        if match := _BOUND.match(word):
            return _host(match["host"]), int(match["port"])
    port = _option(words, _PORT_OPTION, "port") or _after_its_verb(words)
    if port is None or not port.isdigit():
        return None
    return _host(_option(words, _HOST_OPTION, "host") or ""), int(port)


def _option(words: list[str], option: re.Pattern[str], name: str) -> str | None:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if match := option.match(word):
            return match[name] or following
    return None


def _after_its_verb(words: list[str]) -> str | None:
    """The first number behind `runserver` or `http.server`, else the default of the server."""
    for number, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name in DEFAULT_PORTS:
            ports = (each for each in words[number + 1 :] if each.isdigit())
            return next(ports, str(DEFAULT_PORTS[name]))
    return None


def _address_in(line: str) -> Address | None:
    without_time = _TIME.sub(" ", line)
    for pattern in _ADDRESSES:
        if match := pattern.search(without_time):
            return _host(match["host"]), int(match["port"])
    return None


def _host(text: str) -> str | None:
    host = text.strip("[]")
    return None if host in ("", "*") else host
