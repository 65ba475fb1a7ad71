"""One row of the route table, and how a request finds its row."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from http import HTTPStatus
from urllib.parse import unquote

from oxtrio.control.exchange import Reply, Request, Stream
from oxtrio.control.facade import Steered
from oxtrio.control.replies import error_reply
from oxtrio.errors import NotFound, UsageError

Answered = Reply | Stream
Handler = Callable[[Steered, Request], Answered | Awaitable[Answered]]
"""Answers one request, by itself or by waiting for the supervisor. Raises `OxtrioError`."""


class Access(StrEnum):
    """What a route lets a client do, and so how many may do it at a time."""

    PROBE = auto()  # tells nothing of what is inside
    READ = auto()
    FOLLOW = auto()  # may last for ever
    CHANGE = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query."""

    name: str
    kind: type
    summary: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One row: where, who answers, and what goes in and out."""

    method: str
    pattern: str
    """`/v1/apps/{name}`; a part in braces takes exactly one segment."""
    handler: Handler
    access: Access
    summary: str
    takes: type | None = None
    """The type of the body."""
    gives: type | None = None
    """The type of the reply, where there is one that is no stream."""
    many: bool = False
    """The reply is an array of these."""
    lines: tuple[type, ...] = ()
    """The types of the lines, where the answer can be a stream."""
    query: tuple[Parameter, ...] = ()

    def match(self, path: str) -> Mapping[str, str] | None:
        """The variable parts of *path*, still encoded; None where it is another route's."""
        ours, theirs = self.pattern.split("/"), path.split("/")
        if len(ours) != len(theirs):
            return None
        params = {}
        for our, their in zip(ours, theirs, strict=True):
            if our.startswith("{"):
                params[our[1:-1]] = their
            elif our != their:
                return None
        return params


@dataclass(frozen=True, slots=True)
class Found:
    """The row of a request, and the request with the variable parts of its path."""

    route: Route
    request: Request


def find(routes: Sequence[Route], request: Request) -> Found | Reply:
    """Whose *request* is; a reply where it is nobody's. Raises `UsageError`."""
    methods = set()
    method = "GET" if request.method == "HEAD" else request.method
    for route in routes:
        params = route.match(request.path)
        if params is None:
            continue
        if route.method == method:
            decoded = {name: _decoded(part) for name, part in params.items()}
            return Found(route, replace(request, params=decoded))
        methods.add(route.method)
    return _wrong_method(request, methods) if methods else _wrong_path(request)


def _wrong_method(request: Request, methods: set[str]) -> Reply:
    allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    error = UsageError(
        f"{request.path[:200]} does not take {request.method}", hint=f"use {allowed}"
    )
    reply = error_reply(error, HTTPStatus.METHOD_NOT_ALLOWED)
    return replace(reply, headers=(("allow", allowed),))


def _wrong_path(request: Request) -> Reply:
    path = request.path[:200]
    first = path.split("/")[1] if path.startswith("/") else ""
    if first.startswith("v") and first[1:].isdecimal() and first != "v1":
        error = NotFound(f"no version {first} of this API", hint="this supervisor speaks v1")
    else:
        error = NotFound(f"no route {path!r}", hint="the routes are listed in /openapi.json")
    return error_reply(error)


def _decoded(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise UsageError("the path is not valid UTF-8") from None
