"""Requests to a supervisor over its Unix socket."""

import http.client
import socket
import time
from pathlib import Path

from benchmarks.failure import Failed
from benchmarks.peers.peer import Api


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(api: Api) -> float:
    """How long one request takes, on a connection of its own. Raises OSError, `Failed`."""
    path = api.socket()
    if path is None:
        raise FileNotFoundError("there is no control socket yet")
    began = time.monotonic()
    connection = _UnixConnection(path)
    try:
        connection.request(api.method, api.target, api.body or None)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Failed(f"{api.target} answered {answer.status}")
    return time.monotonic() - began


def wait_answer(api: Api, within: float = 30) -> float:
    """The moment at which the supervisor first answers; asked every millisecond."""
    deadline = time.monotonic() + within
    while True:
        try:
            ask(api)
        except OSError as error:
            if time.monotonic() > deadline:
                raise Failed(f"no answer within {within:g} s: {error}") from None
            time.sleep(0.001)
        else:
            return time.monotonic()
