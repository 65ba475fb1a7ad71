"""One question, and answers of which most are no good."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oxtrio.control.connection import BrokenOff, Connection
from oxtrio.errors import NotRunning
from oxtrio.system import unixsocket

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


@contextmanager
def peer(path: str, said: bytes, *, reads: int = 65536) -> Iterator[list[bytes]]:
    """Says *said* to the one who asks, and hangs up; yields what it was asked, and the rest."""
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(reads))
            connection.sendall(said)

    with unixsocket.listening(path) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield asked
        thread.join(10)
        assert not thread.is_alive()


def chunked(*pieces: bytes) -> bytes:
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (*pieces, b""))


def test_a_question_goes_out_as_it_is_meant(path: str):
    said = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"
    with peer(path, said) as asked, Connection(path, 5) as connection:
        assert connection.peer == (os.getpid(), os.geteuid())
        answer = connection.ask("POST", "/v1/x?name=a%20b", b'{"a":1}')
        assert (answer.status, answer.read()) == (202, b"ok")

    head, _, body = asked[0].partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == b"POST /v1/x?name=a%20b HTTP/1.1"
    assert {b"Host: oxtrio", b"Accept: application/x-ndjson", b"Content-Length: 7"} <= {*headers}
    assert body in (b"", b'{"a":1}')  # it may have come later


def test_lines_are_put_together_and_empty_ones_left_out(path: str):
    said = chunked(b"on", b"e\ntwo\n", b"\n", b"\n\nthr", b"ee\xe2\x80\xa8\x85\r\n", b"last")
    with peer(path, said), Connection(path, 5) as connection:
        lines = list(connection.ask("GET", "/").lines())

    assert lines == [b"one", b"two", b"three\xe2\x80\xa8\x85\r", b"last"]


def test_lines_end_with_the_length_that_was_named(path: str):
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na\nb\nc\n"
    with peer(path, said), Connection(path, 5) as connection:
        assert list(connection.ask("GET", "/").lines()) == [b"a", b"b"]


def test_an_interim_answer_is_passed_over(path: str):
    said = b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(b"yes")
    with peer(path, said), Connection(path, 5) as connection:
        assert connection.ask("GET", "/").read() == b"yes"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "it closed the connection"),
        (b"\x1b[31m no HTTP\r\n\r\n", "it is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, "it is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "it is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "it is incomplete"),
        (CHUNKED + b"5\r\nabc", "it is incomplete"),
        (CHUNKED + b"3\r\nabc\r\n", "it is incomplete"),
        (CHUNKED + b"-3\r\nabc\r\n", None),
        (CHUNKED + b"nonsense\r\n", "it is incomplete"),
    ],
)
@pytest.mark.parametrize("manner", ["whole", "lines"])
def test_what_breaks_off_is_told_in_our_own_words(
    path: str, said: bytes, words: str | None, manner: str
):
    def take() -> None:
        answer = connection.ask("GET", "/")
        _ = answer.read() if manner == "whole" else list(answer.lines())

    with (
        peer(path, said),
        Connection(path, 5) as connection,
        pytest.raises(BrokenOff) as caught,
    ):
        take()

    assert words is None or str(caught.value) == words
    assert str(caught.value).isprintable()


def test_who_does_not_take_all_of_a_question_may_have_answered_it(path: str):
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n"
    with peer(path, said, reads=10), Connection(path, 5) as connection:
        answer = connection.ask("POST", "/", b"x" * (8 << 20))
        assert (answer.status, answer.read()) == (413, b"no\n")


def test_silence_ends_the_waiting(path: str):
    with (
        unixsocket.listening(path),
        Connection(path, 0.05) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.ask("GET", "/")


def test_silence_in_the_middle_ends_the_waiting_too(path: str):
    with unixsocket.listening(path) as listener, Connection(path, 0.5) as connection:
        theirs, _ = listener.accept()
        with theirs:
            theirs.sendall(CHUNKED + b"2\r\na\n\r\n")
            lines = connection.ask("GET", "/").lines()
            assert next(lines) == b"a"
            with pytest.raises(TimeoutError):
                next(lines)


def test_who_leaves_in_the_middle_hangs_up(path: str):
    before = os.listdir("/proc/self/fd")
    with unixsocket.listening(path) as listener:
        with Connection(path, 5) as connection:
            theirs, _ = listener.accept()
            theirs.sendall(CHUNKED + b"2\r\na\n\r\n")
            assert next(connection.ask("GET", "/").lines()) == b"a"
        with theirs:
            theirs.settimeout(5)
            assert theirs.recv(65536).startswith(b"GET / ")
            assert theirs.recv(1) == b""
            with pytest.raises(BrokenPipeError):
                theirs.send(b"x", socket.MSG_NOSIGNAL)

    assert os.listdir("/proc/self/fd") == before


def test_where_nobody_listens_there_is_no_connection(path: str):
    with pytest.raises(NotRunning):
        Connection(path, 1)
