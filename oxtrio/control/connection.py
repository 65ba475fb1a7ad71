"""One connection to a supervisor, for one question: HTTP by the standard library.

Not httpx: it imports Trio where that is installed, and its own command line where that can be
had. Either takes longer than everything else that `oxtrio status` does.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    IncompleteRead,
    RemoteDisconnected,
)
from typing import Self

from oxtrio.system import unixsocket

HEADERS = {"Accept": "application/x-ndjson"}

PIECE = 64 * 1024
"""Bytes of a stream that are read at most before they are looked at."""


class BrokenOff(Exception):
    """The connection ended too early, or what came over it is no HTTP; the text says which."""


class Answer:
    """The answer to a question. Every single wait for more of it ends with `TimeoutError`."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self._response = response

    def read(self) -> bytes:
        """All of it; raises `BrokenOff`."""
        with _telling_what_broke():
            return self._response.read()

    def lines(self) -> Iterator[bytes]:
        """Its lines, as they come; raises `BrokenOff`.

        Empty lines are left out: a stream repeats them to show that it is alive.
        """
        rest = b""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from filter(None, whole)
        if rest:
            yield rest

    def close(self) -> None:
        """Read no more of it."""
        self._response.close()

    def _pieces(self) -> Iterator[bytes]:
        while piece := self._next_piece():
            yield piece
        if self._response.length:  # to read1() an early end is an end
            raise BrokenOff("it is incomplete")

    def _next_piece(self) -> bytes:
        with _telling_what_broke():
            return self._response.read1(PIECE)


class Connection:
    """Connected to the supervisor at *address*; a context manager.

    Raises what `unixsocket.connect` raises. Leaving the block in the middle of an answer
    hangs up.
    """

    def __init__(self, address: str, patience: float) -> None:
        sock = unixsocket.connect(address, patience)
        self.peer = unixsocket.peer_of(sock)
        self._http = HTTPConnection("oxtrio")
        self._http.auto_open = 0  # it would look for a host of this name
        self._http.sock = sock
        self._answer: Answer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._answer is not None:
            self._answer.close()
        self._http.close()

    def ask(self, method: str, target: str, content: bytes | None = None) -> Answer:
        """The head of the answer; to be called once. Raises `BrokenOff` and `TimeoutError`."""
        with _telling_what_broke():
            # Who does not want all of a question may have said so before it hung up.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._http.request(method, target, content, HEADERS)
            self._answer = Answer(self._http.getresponse())
        return self._answer


@contextmanager
def _telling_what_broke() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except (HTTPException, OSError, ValueError) as error:
        raise BrokenOff(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    """What is wrong, without any byte of the peer's: these go to a terminal."""
    match error:
        case RemoteDisconnected():
            return "it closed the connection"
        case IncompleteRead():
            return "it is incomplete"
        case OSError(strerror=str(text)):
            return text[0].lower() + text[1:]
    return "it is not valid HTTP"
