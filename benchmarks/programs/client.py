"""Sends requests to one address as fast as they are answered, and notes what became of each.

Usage: client.py SPEC, a JSON object: see `benchmarks.load`. One process, no threads: a number of
lanes, each of which has one request under way at most. An answer is right when it is `200` with a
JSON object that names the `release` and the `pid` of who answered.

Commands are lines on stdin: `?` is answered with `ANSWERED FAILED`; `.` lets no request begin any
more, waits for those under way, and writes the notes: a line of JSON, then its arrays. Where stdin
ends before that, all ends at once: who asked is gone.
"""

import errno
import json
import os
import select
import socket
import sys
import time
from typing import Any

import notes

BREATH = 0.01
"""Seconds that a lane waits after a failure, so that an outage is not counted by how fast a
connection can be refused, but about as a client would meet it."""
UNSENT = {
    errno.ECONNREFUSED: notes.REFUSED,
    errno.ENOENT: notes.REFUSED,
    errno.ECONNRESET: notes.RESET,
    errno.ECONNABORTED: notes.RESET,
    errno.EPIPE: notes.RESET,
    errno.ETIMEDOUT: notes.TIMEOUT,
}
"""What the server has to answer for where no request could be sent."""
LOOK_EVERY = 0.05
LONGEST = 1800.0
"""Seconds after which the client gives up on being told to stop."""
UNTIL_CLOSED = 1 << 60


class Lane:
    """One request at a time, each on a connection of its own or on one that is kept."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.used = False
        """Whether its connection has brought an answer."""
        self.began = 0.0
        self.busy = False
        """Whether a request is under way, be it that its connection is not made yet."""
        self.waits = False
        """For its connection to be made."""
        self.sent = False
        self.got = b""
        self.rests_until = 0.0


class Client:
    def __init__(self, spec: dict[str, Any]) -> None:
        self.address = spec["address"] if spec["family"] == "unix" else tuple(spec["address"])
        self.family = getattr(socket, f"AF_{spec['family'].upper()}")
        self.keeps, self.patience, self.pause = spec["keep_alive"], spec["patience"], spec["pause"]
        closing = "" if self.keeps else "Connection: close\r\n"
        self.request = f"GET {spec['path']} HTTP/1.1\r\nHost: localhost\r\n{closing}\r\n".encode()
        self.lanes = [Lane() for _ in range(spec["concurrency"])]
        self.notes = notes.Notes()
        self.connections = 0
        self.stopped = 0.0
        self._poll = select.epoll()
        self._by_fd: dict[int, Lane] = {}
        self._look_at = 0.0

    def run(self) -> None:
        began = time.monotonic()
        os.set_blocking(0, False)
        self._poll.register(0, select.EPOLLIN)
        for lane in self.lanes:
            self._begin(lane)
        while not self.stopped or any(lane.busy for lane in self.lanes):
            self._turn()
            if time.monotonic() - began > LONGEST:
                sys.exit("nobody has said that it is enough")
        self.notes.write(began=began, ended=self.stopped, connections=self.connections)

    def _turn(self) -> None:
        for fd, _ in self._poll.poll(max(0.0, self._look_at - time.monotonic())):
            if fd == 0:
                self._obey()
            elif lane := self._by_fd.get(fd):
                self._continue(lane)
        if time.monotonic() >= self._look_at:
            self._look()

    def _continue(self, lane: Lane) -> None:
        """Something has happened to its connection."""
        if not lane.busy:
            if not self._is_open(lane):
                self._close(lane)
        elif lane.sent:
            self._read(lane)
        else:
            self._send(lane)

    def _obey(self) -> None:
        said = os.read(0, 4096)
        if not said and not self.stopped:
            sys.exit(1)
        if b"?" in said:
            answered = self.notes.kind.count(notes.OK)
            os.write(1, f"{answered} {self.notes.failed}\n".encode())
        if b"." in said:
            self.stopped = time.monotonic()
            self._poll.unregister(0)

    def _look(self) -> None:
        """Who has waited too long, and who has rested enough."""
        now = time.monotonic()
        self._look_at = now + LOOK_EVERY
        for lane in self.lanes:
            if lane.busy and now - lane.began > self.patience:
                self._fail(lane, notes.TIMEOUT, f"{len(lane.got)} bytes of the answer had come")
            elif lane.rests_until and now >= lane.rests_until:
                lane.rests_until = 0.0
                self._connect(lane) if lane.busy else self._begin(lane)

    def _rest(self, lane: Lane, seconds: float) -> None:
        lane.rests_until = time.monotonic() + seconds
        self._look_at = min(self._look_at, lane.rests_until)

    def _begin(self, lane: Lane) -> None:
        """A new request, unless all is over; on a kept connection only if that is still open."""
        if self.stopped:
            return
        if lane.sock is not None and not self._is_open(lane):
            self._close(lane)
        lane.began, lane.busy, lane.sent, lane.got = time.monotonic(), True, False, b""
        if lane.sock is None:
            self._connect(lane)
        else:
            self._send(lane)

    def _is_open(self, lane: Lane) -> bool:
        """Whether the server has left the idle connection open, and said nothing unasked."""
        now = time.monotonic()
        try:
            said = lane.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError as error:
            self.notes.add(notes.RESET_IDLE, now, words=repr(error))
        else:
            kind = notes.WRONG if said else notes.DROPPED
            self.notes.add(kind, now, words=f"{said!r} and more, unasked" if said else "idle")
        return False

    def _connect(self, lane: Lane) -> None:
        lane.used = lane.waits = False
        self.connections += 1
        lane.sock = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            lane.sock.connect(self.address)
        except BlockingIOError as error:
            if error.errno == errno.EAGAIN:
                # The queue of a Unix socket is full: one that may block would wait.
                self._close(lane)
                self._rest(lane, 0.001)
                return
        except OSError as error:
            self._fail_unsent(lane, error)
            return
        fd = lane.sock.fileno()
        self._by_fd[fd] = lane
        self._poll.register(fd, select.EPOLLIN)
        # On one machine the connection is nearly always made by now; where not, it must wait.
        self._send(lane)

    def _send(self, lane: Lane) -> None:
        try:
            length = lane.sock.send(self.request)
        except BlockingIOError:
            self._poll.modify(lane.sock.fileno(), select.EPOLLOUT)
            lane.waits = True
            return
        except OSError as error:
            self._fail_unsent(lane, error)
            return
        if length != len(self.request):
            raise RuntimeError("a request must go out at once")
        lane.sent = True
        if lane.waits:
            self._poll.modify(lane.sock.fileno(), select.EPOLLIN)
            lane.waits = False

    def _fail_unsent(self, lane: Lane, error: OSError) -> None:
        """A connection could not be made, or was gone before the request could be sent."""
        kind = UNSENT.get(error.errno)
        if kind is None:
            raise error  # the client's own want, or an address that is none
        self._fail(lane, notes.RACED if lane.used else kind, repr(error))

    def _read(self, lane: Lane) -> None:
        try:
            said = lane.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(lane, notes.RESET, repr(error))
            return
        if not said:
            self._ended(lane, notes.CLOSED, "the end of the stream")
            return
        lane.got += said
        if len(lane.got) >= whole(lane.got):
            self._answered(lane)

    def _ended(self, lane: Lane, kind: int, words: str) -> None:
        """The connection ended before the answer was complete, as far as one can tell."""
        if kind == notes.CLOSED and b"\r\n\r\n" in lane.got and whole(lane.got) == UNTIL_CLOSED:
            self._answered(lane)
        elif lane.got:
            self._fail(lane, notes.TRUNCATED, f"{words} after {len(lane.got)} bytes")
        else:
            self._fail(lane, notes.RACED if lane.used else kind, words)

    def _answered(self, lane: Lane) -> None:
        head, _, body = lane.got.partition(b"\r\n\r\n")
        version, _, rest = head.partition(b" ")
        who = self.notes.server(body)
        # More than was promised is not in what a server should say.
        if not version.startswith(b"HTTP/1.") or rest[:4] != b"200 ":
            self._fail(lane, notes.BAD_STATUS, repr(head[:60]))
        elif who == notes.NOBODY:
            self._fail(lane, notes.WRONG, repr(body[:60]))
        else:
            self.notes.add(notes.OK, lane.began, who)
            lane.busy = False
            if not self.keeps or version != b"HTTP/1.1" or b"connection: close" in head.lower():
                self._close(lane)
            lane.used = True
            self._rest(lane, self.pause) if self.pause else self._begin(lane)

    def _fail(self, lane: Lane, kind: int, words: str) -> None:
        self.notes.add(kind, lane.began, words=words)
        lane.busy = False
        lane.rests_until = 0.0
        self._close(lane)
        self._rest(lane, BREATH)

    def _close(self, lane: Lane) -> None:
        if lane.sock is not None:
            self._by_fd.pop(lane.sock.fileno(), None)
            lane.sock.close()
            lane.sock = None


def whole(got: bytes) -> int:
    """How many bytes the answer that begins with *got* has."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return UNTIL_CLOSED
    head = got[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return UNTIL_CLOSED
    length = head[at + 17 :].split(b"\r\n", 1)[0].strip()
    return end + 4 + int(length) if length.isdigit() else UNTIL_CLOSED


if __name__ == "__main__":
    Client(json.loads(sys.argv[1])).run()
