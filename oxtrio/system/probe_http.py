"""One HTTP question: only the status of the answer counts.

Not httpx: its timeouts are per read, it would need to be told about redirects, proxies,
cookies and decompression, and it reads bodies; here one question and one status line are
all there is.
"""

import base64
import ssl
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit

import h11
import trio

from oxtrio.model.health import Answer
from oxtrio.system.lookup import open_tcp

LONGEST_HEAD = 64 * 1024
"""Bytes of an answer that are read at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    secure: bool
    host: str
    port: int
    target: str
    authority: str
    """What the Host header says."""
    credentials: str
    """`user:password`, or ""."""


def read_url(text: str) -> Url:
    """The parts of an http or https URL; raises `ValueError` where it has no host or port."""
    parts = urlsplit(text)
    if not parts.hostname:
        raise ValueError(f"'{text}' names no host")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    port = parts.port or usual
    shown = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    return Url(
        secure=secure,
        host=host,
        port=port,
        target=quote((parts.path or "/") + query, safe="/%:=&?~+!$,;'@()*[]"),
        authority=shown if port == usual else f"{shown}:{port}",
        credentials=f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        if parts.username
        else "",
    )


async def ask_http(endpoint: str, accepted: tuple[int, ...]) -> Answer:
    """The status that *endpoint* answers with, over a new connection.

    Waits as long as it is let. Redirects are not followed, the body is not read. Raises
    `OSError`, `trio.BrokenResourceError` and `h11.RemoteProtocolError`. Cancelling closes
    the connection at once.
    """
    url = read_url(endpoint)
    connection = await open_tcp(url.host, url.port)
    try:
        stream = _secured(connection, url.host) if url.secure else connection
        status, reason = await _exchange(stream, url)
    finally:
        # Without the farewell of TLS: a hanging server would let us wait for its own.
        await trio.aclose_forcefully(connection)
    return _judge(status, reason, accepted)


def _secured(connection: trio.SocketStream, host: str) -> trio.abc.Stream:
    return trio.SSLStream(connection, tls_context(), server_hostname=host, https_compatible=True)


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies against the certificates of the system; made once, as that takes 20 ms."""
    return ssl.create_default_context()


async def _exchange(stream: trio.abc.Stream, url: Url) -> tuple[int, str]:
    """Ask, and read no further than the end of the answer's head."""
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
    request = h11.Request(method="GET", target=url.target, headers=_headers(url))
    await stream.send_all(talk.send(request) + talk.send(h11.EndOfMessage()))
    head = bytearray()
    while True:
        event = talk.next_event()
        if isinstance(event, h11.Response):
            return event.status_code, event.reason.decode("latin-1")
        if event is not h11.NEED_DATA:
            continue
        data = bytes(await stream.receive_some(16 * 1024))
        head += data
        if not data:
            raise h11.RemoteProtocolError(
                "the answer broke off" if head else "closed without an answer"
            )
        if len(head) > LONGEST_HEAD:
            raise h11.RemoteProtocolError("its headers are too long")
        if head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.0 101 ")):
            return 101, ""  # to h11 an error, as nobody asked for it
        talk.receive_data(data)


def _headers(url: Url) -> list[tuple[str, str]]:
    headers = [
        ("Host", url.authority),
        ("User-Agent", "oxtrio"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    if url.credentials:
        coded = base64.b64encode(url.credentials.encode()).decode()
        headers.append(("Authorization", f"Basic {coded}"))
    return headers


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
