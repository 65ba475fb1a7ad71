"""One HTTP question: only the status of the answer counts.

httpx reads the URL and makes the request, httpcore talks HTTP/1.1. The connection between is
ours: it is opened by `lookup.open_tcp`, is given up when a name server or a handshake hangs,
and is closed without the farewell that a hanging server would let us wait for. Nothing but the
status is handed back to httpx: no cookie to keep, redirect to follow or body to unpack.

Importing this takes 90 ms, and 11 MB. See `probes.prepare`.
"""

import ssl
from functools import cache, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpcore
import httpx  # noqa: ASYNC127 - the project's choice
import trio

from oxtrio.model.health import Answer
from oxtrio.system.threads import in_thread

if TYPE_CHECKING:
    from oxtrio.system.probes import Connect

LONGEST_HEAD = 64 * 1024
"""Bytes of an answer that are read at most."""
PIECE = 16 * 1024

HEADERS = {
    "User-Agent": "oxtrio",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}

SWITCHING = (b"HTTP/1.1 101 ", b"HTTP/1.0 101 ")


async def ask_http(endpoint: str, accepted: tuple[int, ...], connect: "Connect") -> Answer:
    """The status that *endpoint* answers with, over a new connection made by *connect*.

    Waits as long as it is let. Redirects are not followed, the body is not read. Raises
    `ValueError` for what is no URL, `OSError` and `trio.BrokenResourceError`. Cancelling
    closes the connection at once, or leaves a name server that hangs to itself.
    """
    try:
        response = await _client().send(_request(endpoint, connect))
    except (httpx.InvalidURL, httpx.LocalProtocolError) as error:
        raise ValueError(str(error)) from None
    except httpx.RemoteProtocolError as error:
        return Answer(False, f"protocol error: {error}")
    reason: bytes = response.extensions["reason_phrase"]
    return _judge(response.status_code, reason.decode("latin-1"), accepted)


def _request(endpoint: str, connect: "Connect") -> httpx.Request:
    known = _question(endpoint)
    return httpx.Request(
        known.method, known.url, headers=known.headers, extensions={"connect": connect}
    )


@lru_cache(maxsize=1024)
def _question(endpoint: str) -> httpx.Request:
    """The same question is asked for years; to read its URL takes a tenth of a probe."""
    url = httpx.URL(endpoint)
    if not url.host:
        raise ValueError(f"'{endpoint}' names no host")
    if url.port is not None and url.port > 65535:
        raise ValueError(f"'{endpoint}' has a port above 65535")
    return _client().build_request("GET", url)


@cache
def _client() -> httpx.AsyncClient:
    """Shared by all probes; it holds nothing open."""
    # Without timeouts: the caller's is for the whole probe, theirs are for each step.
    return httpx.AsyncClient(
        transport=_OneQuestion(), headers=HEADERS, trust_env=False, timeout=None
    )


class _OneQuestion(httpx.AsyncBaseTransport):
    """A connection for each request, which ends with the head of the answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, host = request.url, request.url.raw_host.decode("ascii")
        secure = url.scheme == "https"
        connect: Connect = request.extensions["connect"]
        connection = await connect.tcp(host, url.port or (443 if secure else 80))
        try:
            wire = _Wire(_secured(connection, host) if secure else connection)
            status, reason = await _exchange(wire, request)
        finally:
            # Without the farewell of TLS: a hanging server would let us wait for its own.
            await trio.aclose_forcefully(connection)
        return httpx.Response(status, extensions={"reason_phrase": reason}, request=request)


def _secured(connection: trio.SocketStream, host: str) -> trio.abc.Stream:
    return trio.SSLStream(connection, tls_context(), server_hostname=host, https_compatible=True)


async def load_tls_context() -> None:
    """Make `tls_context` in a thread, unless that has been done."""
    if not tls_context.cache_info().currsize:
        await in_thread(tls_context)


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies against the certificates of the system; made once, as that takes 20 ms."""
    return ssl.create_default_context()


async def _exchange(wire: "_Wire", request: httpx.Request) -> tuple[int, bytes]:
    url = httpcore.URL(
        scheme=request.url.raw_scheme,
        host=request.url.raw_host,
        port=request.url.port,
        target=request.url.raw_path,
    )
    try:
        response = await httpcore.AsyncHTTP11Connection(url.origin, wire).handle_async_request(
            httpcore.Request(request.method, url, headers=request.headers.raw)
        )
    except httpcore.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from None
    except httpcore.RemoteProtocolError as error:
        if wire.received.startswith(SWITCHING):
            return HTTPStatus.SWITCHING_PROTOCOLS, b""  # an error only as nobody asked for it
        raise httpx.RemoteProtocolError(str(error)) from None
    reason: bytes = response.extensions["reason_phrase"]
    return response.status, reason


class _Wire(httpcore.AsyncNetworkStream):
    """What httpcore is given to talk over: it ends where the head of an answer must."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.received = b""
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = bytes(await self._stream.receive_some(min(max_bytes, PIECE)))
        if not data:
            said = "the answer broke off" if self.received else "closed without an answer"
            raise httpcore.RemoteProtocolError(said)
        self.received += data
        if len(self.received) > LONGEST_HEAD:
            raise httpcore.RemoteProtocolError("its headers are too long")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if buffer:
            await self._stream.send_all(buffer)

    async def aclose(self) -> None:
        """Done by who opened it, at once and whatever happens."""


def _judge(status: int, reason: str, accepted: tuple[int, ...]) -> Answer:
    text = f"{status} {_printable(reason) or _usual_reason(status)}".rstrip()
    if status in accepted:
        return Answer(True, text)
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        text += " (redirects are not followed)"
    return Answer(False, text)


def _printable(reason: str) -> str:
    return "".join(letter for letter in reason if letter.isprintable())[:60]


def _usual_reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
