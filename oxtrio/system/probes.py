"""Health probes of endpoints: http, https, tcp and unix.

Each opens a new connection and is over after `timeout`, whatever the other side does.
"""

import os
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Protocol
from urllib.parse import urlsplit

import trio

from oxtrio.model.health import Answer
from oxtrio.model.spec import HealthSpec
from oxtrio.system.lookup import open_tcp
from oxtrio.system.threads import in_thread


class Connect(Protocol):
    """Opens the connections of probes."""

    async def tcp(self, host: str, port: int) -> trio.SocketStream: ...

    async def unix(self, path: str) -> trio.SocketStream: ...


class Anybody:
    """Whoever listens at an address."""

    async def tcp(self, host: str, port: int) -> trio.SocketStream:
        return await open_tcp(host, port)

    async def unix(self, path: str) -> trio.SocketStream:
        return await trio.open_unix_socket(path)


ANYBODY = Anybody()


async def prepare(endpoints: Iterable[str]) -> None:
    """Load what probes of *endpoints* need: for http 90 ms, for https 30 ms more, once.

    To be called before anybody relies on us. It happens in a thread, for which cancelling
    waits.
    """
    schemes = {endpoint.partition("://")[0].lower() for endpoint in endpoints}
    if schemes & {"http", "https"} and not _by_http.cache_info().currsize:
        await in_thread(_by_http)
    if "https" in schemes:
        from oxtrio.system.probe_http import load_tls_context

        await load_tls_context()


@cache
def _by_http() -> ModuleType:
    return import_module("oxtrio.system.probe_http")


async def probe(endpoint: str, spec: HealthSpec, connect: Connect = ANYBODY) -> Answer:
    """Whether *endpoint* is well, within the timeout of *spec*.

    Everything that a server or a network can do wrong is an answer, never an exception.
    Cancelling closes the connection at once.
    """
    with trio.move_on_after(spec.timeout):
        try:
            return await _ask(endpoint, spec, connect)
        except (OSError, trio.BrokenResourceError) as error:
            return Answer(False, describe(error))
        except ValueError as error:  # a URL or a name that cannot be one
            return Answer(False, f"bad endpoint: {error}")
    return Answer(False, f"timed out after {spec.timeout:g} s")


async def _ask(endpoint: str, spec: HealthSpec, connect: Connect) -> Answer:
    parts = urlsplit(endpoint)
    if parts.scheme in ("http", "https"):
        await prepare([endpoint])  # of an app that came with a reload
        from oxtrio.system.probe_http import ask_http

        return await ask_http(endpoint, spec.status, connect)
    if parts.scheme == "tcp":
        if not parts.hostname or not parts.port:
            raise ValueError(f"'{endpoint}' names no host and port")
        stream = await connect.tcp(parts.hostname, parts.port)
    elif parts.scheme == "unix":
        stream = await connect.unix(parts.path)
    else:
        raise ValueError(f"'{endpoint}' is neither http, https, tcp nor unix")
    await trio.aclose_forcefully(stream)
    return Answer(True, "connected")


def describe(error: OSError | trio.BrokenResourceError) -> str:
    """*error* as an operator would name it: `connection refused`."""
    cause: BaseException | None = error
    if isinstance(error, trio.BrokenResourceError):
        cause = error.__cause__
    match cause:
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS error: {(cause.reason or str(cause)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return f"cannot look up the host: {cause.strerror}"
        case OSError(errno=int(number)):
            text = os.strerror(number)  # trio adds the address to its own text
            return text[0].lower() + text[1:]
        case None:
            return "connection lost"
    return str(cause) or type(cause).__name__
