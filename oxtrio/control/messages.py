"""What goes over the control socket, as bytes. The only module that knows JSON.

Requests are read strictly, replies tolerantly (see `codec`). Every reading function raises
`ProtocolError` for bytes that are not what they should be, and nothing else.
"""

import json
from collections.abc import Mapping
from math import isfinite
from typing import NoReturn, TypeVar

from oxtrio.control.wire import (
    ErrorObject,
    LogRecord,
    OrderLine,
    SkippedLine,
    from_error_object,
    from_record,
    to_record,
)
from oxtrio.errors import OxtrioError, ProtocolError
from oxtrio.model.log import LogLine, Skipped
from oxtrio.model.order import Report, Step
from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.status import Event

T = TypeVar("T")

MAX_REQUEST = 1024 * 1024
"""Bytes of the body of the largest request."""


def write(value: object) -> bytes:
    """*value* (a dataclass or plain data) as one line of JSON, without a newline."""
    plain = to_plain(value)
    if isinstance(value, Report):
        # `ok` says in one word what the rest says in detail.
        plain = {"ok": value.ok, **_table(plain)}
    return _dump(plain)


def write_request(value: object) -> bytes:
    """*value* for a supervisor that may be older than we are: defaults stay unsaid."""
    return _dump(to_plain(value, sparse=True))


def write_order_line(line: OrderLine) -> bytes:
    """Progress, or how the order ended."""
    if line.report is not None:
        return b'{"report":' + write(line.report) + b"}"
    return write_request(line)


def write_log_line(line: LogLine | Skipped) -> bytes:
    """A line of output, or that some were not shown."""
    if isinstance(line, Skipped):
        return write(SkippedLine(skipped=line.chunks))
    return _dump(to_plain(to_record(line), sparse=True))


def read_request(cls: type[T], data: bytes) -> T:
    """The *cls* that a client sent; an empty body is one with all defaults."""
    if len(data) > MAX_REQUEST:
        raise ProtocolError(f"a request is at most {MAX_REQUEST} bytes")
    return from_plain(cls, _load(data) if data.strip() else {}, strict=True)


def read_reply(cls: type[T], data: bytes) -> T:
    """The *cls* that a supervisor answered."""
    return from_plain(cls, _load(data), strict=False)


def read_replies(cls: type[T], data: bytes) -> list[T]:
    """The array of *cls* that a supervisor answered."""
    plain = _load(data)
    if not isinstance(plain, list):
        raise ProtocolError("expected an array")
    return [from_plain(cls, item, strict=False) for item in plain]


def read_error(data: bytes) -> OxtrioError:
    """The exception that a supervisor answered with."""
    return _error_in(_table(_load(data))) or ProtocolError("the error says nothing")


def read_order_line(data: bytes) -> Step | Report | None:
    """Progress or the end; raises the error it ended with. None: not known here."""
    line = _read_line(OrderLine, data)
    return line.step or line.report


def read_log_line(data: bytes) -> LogLine | Skipped:
    """A line of output, or that some were not shown; raises what ended the stream."""
    plain = _table(_load(data))
    if "skipped" in plain:
        return Skipped(from_plain(SkippedLine, plain, strict=False).skipped)
    return from_record(_read_line(LogRecord, plain))


def read_event(data: bytes) -> Event:
    """Something that happened; raises what ended the stream."""
    return _read_line(Event, data)


def _read_line(cls: type[T], data: bytes | dict[str, object]) -> T:
    plain = _table(_load(data)) if isinstance(data, bytes) else data
    if error := _error_in(plain):
        raise error
    return from_plain(cls, plain, strict=False)


def _error_in(plain: Mapping[str, object]) -> OxtrioError | None:
    if "error" not in plain:
        return None
    return from_error_object(from_plain(ErrorObject, plain["error"], strict=False))


def _table(plain: object) -> dict[str, object]:
    if not isinstance(plain, dict):
        raise ProtocolError("expected an object")
    return plain


def _dump(plain: object) -> bytes:
    try:
        return _READABLE.encode(plain).encode()
    except UnicodeEncodeError:
        # A path or variable that is no UTF-8 holds lone surrogates; escaped they survive.
        return _ASCII.encode(plain).encode()


def _load(data: bytes) -> object:
    try:
        plain: object = _STRICT.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ProtocolError("not valid UTF-8") from None
    except RecursionError:
        raise ProtocolError("nested too deeply") from None
    except ValueError as error:
        raise ProtocolError(f"not valid JSON: {error}") from None
    return plain


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


_READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))

# Left to itself the reader takes UTF-16, NaN and duplicate keys (the last wins) without a
# word, and answers deep nesting with an error that is no ValueError.
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)
