"""Output of apps, as `logs` shows it."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from oxtrio.cli.comeback import Following, followed
from oxtrio.cli.moments import rfc3339
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note, wants_colour
from oxtrio.errors import DaemonUnreachable, NotRunning
from oxtrio.model.log import LogLine, LogQuery, Skipped
from oxtrio.policy.terminal import prefix, safe_text

if TYPE_CHECKING:
    from oxtrio.control.client import Client

Shape = Callable[[LogLine], bytes]


@dataclass(frozen=True, slots=True)
class Look:
    """How lines are shown."""

    json: bool = False
    prefix: bool = True


def show(target: Target, query: LogQuery, look: Look) -> None:
    """Print what *query* asks for; with `follow`, until the supervisor ends."""
    try:
        with target.client() as client:
            names = {(row.app, row.instance): row.name for row in client.status(query.names)}
            shape = shaped(look, names)
            if not query.follow:
                write(lines_of(client, query), shape, at_once=False)
                return
        write(_followed(target, query), shape, at_once=True)
    except DaemonUnreachable:
        raise
    except NotRunning as error:
        kept = target.folders().logs
        raise NotRunning(error.message, hint=f"the logs are in {kept}") from None


def write(lines: Iterator[LogLine], shape: Shape, *, at_once: bool) -> None:
    """Write *lines* to stdout; many lines go in blocks unless somebody watches."""
    out = sys.stdout.buffer
    at_once = at_once or sys.stdout.isatty()
    for line in lines:
        out.write(shape(line))
        if at_once:
            out.flush()


def _followed(target: Target, query: LogQuery) -> Iterator[LogLine]:
    following = Following(query)
    for line in followed(target, lambda client: lines_of(client, following.next_query())):
        if following.is_new(line):
            yield line


def lines_of(client: Client, query: LogQuery) -> Iterator[LogLine]:
    """The lines of *query*; whoever was cut off for being slow is told, and follows again."""
    again: LogQuery | None = query
    while again is not None:
        asked, again = again, None
        for found in client.logs(asked):
            if isinstance(found, Skipped):
                sys.stdout.flush()
                note("warning", f"too slow: {found.chunks} pieces of output are not shown")
                again = replace(query, lines=0, since=None)
                break
            yield found


def shaped(look: Look, names: dict[tuple[str, int], str]) -> Shape:
    """How one line becomes bytes for stdout.

    A terminal gets no control sequences but colours, and always names; a file or pipe gets the
    app's own bytes, with names where there are several.
    """
    terminal = sys.stdout.isatty()
    if look.json:
        return lambda line: _json(line, names)
    if not look.prefix or (not terminal and len(names) < 2):
        return _safe if terminal else _raw
    colour = wants_colour(sys.stdout)
    longest = max(map(len, names.values()), default=0)
    # By place, so that neighbours differ.
    places = {name: place for place, name in enumerate(names.values())}
    body = _safe if terminal else _raw

    @cache
    def head(name: str) -> bytes:
        return prefix(name, longest, places.get(name, 0) if colour else None).encode()

    return lambda line: head(_name(line, names)) + body(line)


def _raw(line: LogLine) -> bytes:
    return line.data + b"\n"


def _safe(line: LogLine) -> bytes:
    return safe_text(line.data).encode() + b"\n"


def _name(line: LogLine, names: dict[tuple[str, int], str]) -> str:
    return names.get((line.app, line.instance), f"{line.app}:{line.instance}")


def _json(line: LogLine, names: dict[tuple[str, int], str]) -> bytes:
    fields = {
        "at": rfc3339(line.at),
        "name": _name(line, names),
        "app": line.app,
        "instance": line.instance,
        "stream": line.stream,
        "line": line.data.decode("utf-8", "replace"),
    }
    return jsonlib.dumps(fields, ensure_ascii=False).encode() + b"\n"
