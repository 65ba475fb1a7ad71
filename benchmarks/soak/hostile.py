"""Clients of the control socket that mean no good."""

import random
import socket
from contextlib import suppress
from pathlib import Path

REQUEST = b"GET /v1/status HTTP/1.1\r\nHost: oxtrio\r\n\r\n"
MOST = 30
"""Connections of one that only waits."""


class Hostile:
    """Its connections are closed with the next attack, or by `close`."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def attack(self, path: Path, chance: float) -> None:
        """One manner or another; whoever does not answer is left."""
        self.close()
        dice = random.Random(chance)
        manners = (
            [dice.randbytes(4096)],
            [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
            [REQUEST[: dice.randrange(len(REQUEST))]] * MOST,
            [b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000],
            [b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{"],
            [b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{{{"],
            [REQUEST * 200] * 3,  # and the answers are never read
            [b"GET /v1/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n"] * 5,
            [b""] * MOST,
        )
        for data in dice.choice(manners):
            self._send(path, data)

    def close(self) -> None:
        while self._open:
            self._open.pop().close()

    def _send(self, path: Path, data: bytes) -> None:
        client = socket.socket(socket.AF_UNIX)
        self._open.append(client)
        client.settimeout(0.2)
        with suppress(OSError):
            client.connect(str(path))
            client.sendall(data)
