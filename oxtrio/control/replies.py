"""Ready-made replies: JSON, and errors with the status codes that go with them."""

from dataclasses import dataclass
from http import HTTPStatus

from oxtrio.control.exchange import Reply
from oxtrio.control.messages import write
from oxtrio.control.wire import ErrorObject, to_error_object
from oxtrio.errors import (
    ConfigError,
    NotFound,
    NotRunning,
    OxtrioError,
    ProtocolError,
    Refused,
    TimedOut,
    UsageError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """The body of every reply that is no success."""

    error: ErrorObject


class Overloaded(OxtrioError):
    """Too many clients ask for the same kind of thing at the same time."""


class InternalError(OxtrioError):
    """A bug answered this request; the supervisor has reported it and goes on."""

    def __init__(self) -> None:
        super().__init__("internal error", hint="see the supervisor's log; please report it")


STATUS_OF: dict[type[OxtrioError], int] = {
    ConfigError: HTTPStatus.BAD_REQUEST,
    UsageError: HTTPStatus.BAD_REQUEST,
    ProtocolError: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Refused: HTTPStatus.FORBIDDEN,
    TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
    NotRunning: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""What is not here is a conflict with how things are: 409."""


def json_reply(value: object, status: int = HTTPStatus.OK) -> Reply:
    """*value* (dataclasses, or plain data) as JSON."""
    return Reply(status=status, body=write(value) + b"\n")


def error_reply(error: OxtrioError, status: int | None = None) -> Reply:
    """The error object, with the status that its kind has where none is given."""
    if status is None:
        status = STATUS_OF.get(type(error), HTTPStatus.CONFLICT)
    return json_reply(ErrorReply(error=to_error_object(error)), status)
