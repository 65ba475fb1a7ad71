"""Shapes that exist only on the wire and that both sides know."""

from base64 import b64decode, b64encode
from dataclasses import dataclass

import oxtrio.errors
from oxtrio.errors import ConfigError, OxtrioError, Problem, ProtocolError
from oxtrio.model.log import LogLine, Stream
from oxtrio.model.order import Report, Step

ERRORS: dict[str, type[OxtrioError]] = {
    name: kind
    for name, kind in vars(oxtrio.errors).items()
    if isinstance(kind, type) and issubclass(kind, OxtrioError)
}
"""Every kind of error that both sides know, by the name it has on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemObject:
    """One thing that is wrong in a config file."""

    file: str
    line: int
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorObject:
    """Why a request failed; the same for every route, and inside streams."""

    kind: str
    message: str
    hint: str = ""
    exit_code: int = 1
    problems: tuple[ProblemObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of the answer to an order: exactly one of these. The last is no step."""

    step: Step | None = None
    report: Report | None = None
    error: ErrorObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """One instance that is wanted, but not up."""

    name: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether every wanted app is up."""

    ready: bool
    unready: tuple[Unready, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """End the supervisor, with all its apps."""

    kill: bool = False
    """At once, without waiting for anything to end in peace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line of output."""

    at: float
    """Wall time in seconds."""
    app: str
    instance: int
    stream: Stream
    text: str
    data_base64: str | None = None
    """The bytes themselves, where they are not UTF-8; *text* then has replacements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """The follower fell behind and was not waited for."""

    skipped: int


def to_record(line: LogLine) -> LogRecord:
    """*line* as text, and also as base64 where it is no text: nothing is lost."""
    encoded = None
    try:
        text = line.data.decode("utf-8")
    except UnicodeDecodeError:
        text = line.data.decode("utf-8", "replace")
        encoded = b64encode(line.data).decode("ascii")
    return LogRecord(
        at=line.at,
        app=line.app,
        instance=line.instance,
        stream=line.stream,
        text=text,
        data_base64=encoded,
    )


def from_record(record: LogRecord) -> LogLine:
    """The line that *record* stands for, byte for byte; raises `ProtocolError`."""
    try:
        if record.data_base64 is None:
            data = record.text.encode("utf-8")
        else:
            data = b64decode(record.data_base64, validate=True)
    except ValueError:
        raise ProtocolError("a log line is neither text nor base64") from None
    return LogLine(record.at, record.app, record.instance, record.stream, data)


def to_error_object(error: OxtrioError) -> ErrorObject:
    """*error* for the other side."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return ErrorObject(
        kind=type(error).__name__,
        message=error.message,
        hint=error.hint,
        exit_code=error.exit_code,
        problems=tuple(
            ProblemObject(file=one.file, line=one.line, what=one.what, hint=one.hint)
            for one in problems
        ),
    )


def from_error_object(error: ErrorObject) -> OxtrioError:
    """The exception that the other side raised; an unknown kind keeps its exit code."""
    if error.kind == "ConfigError":
        problems = (Problem(one.file, one.line, one.what, one.hint) for one in error.problems)
        return ConfigError(error.message, error.hint, tuple(problems))
    kind = ERRORS.get(error.kind)
    if kind is None:
        # In the order of their definition: the most general of each exit code comes first.
        alike = (known for known in ERRORS.values() if known.exit_code == error.exit_code)
        kind = next(alike, OxtrioError)
    return kind(error.message, error.hint)
