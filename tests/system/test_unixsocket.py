import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oxtrio.errors import AlreadyRunning, DaemonUnreachable, NotRunning, OxtrioError
from oxtrio.system import unixsocket


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def abstract(request: pytest.FixtureRequest) -> str:
    return f"@oxtrio/{os.geteuid()}/test-{os.getpid()}-{request.node.name}"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_socket_is_its_owners_whatever_the_umask(tmp_path: Path, umask: None, mask: int):
    os.umask(mask)

    with unixsocket.listening(str(tmp_path / "s")):
        mode = stat.S_IMODE((tmp_path / "s").stat().st_mode)

    assert mode == 0o600


def test_a_stale_socket_makes_way(tmp_path: Path):
    path = str(tmp_path / "s")
    unixsocket.listen(path).close()
    assert os.path.exists(path)

    with unixsocket.listening(path):
        assert unixsocket.find_listener(path, 1).pid == os.getpid()


def test_a_socket_goes_with_its_listener(tmp_path: Path):
    with unixsocket.listening(str(tmp_path / "s")):
        pass

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_socket_is_left_alone(tmp_path: Path):
    (tmp_path / "s").write_text("precious")

    with pytest.raises(OxtrioError, match="something that is no socket") as caught:
        unixsocket.listen(str(tmp_path / "s"))

    assert (tmp_path / "s").read_text() == "precious"
    assert caught.value.hint.startswith("move it away: mv ")


def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(OxtrioError, match="cannot listen on .*/no/s: No such file or directory"):
        unixsocket.listen(str(tmp_path / "no" / "s"))


@pytest.mark.parametrize("length", [107, 108, 300])
def test_a_path_of_any_length_is_reached(tmp_path: Path, length: int):
    folder = tmp_path
    while len(str(folder)) < length - 60:
        folder /= "f" * 40
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "s").ljust(length, "s")
    before = os.listdir("/proc/self/fd")

    with unixsocket.listening(path) as listener:
        assert os.path.exists(path)
        assert unixsocket.find_listener(path, 1) == (os.getpid(), os.geteuid())
        listener.accept()[0].close()

    assert os.listdir("/proc/self/fd") == before


def test_an_abstract_address_needs_no_folder(abstract: str):
    with unixsocket.listening(abstract):
        assert unixsocket.find_listener(abstract, 1) == (os.getpid(), os.geteuid())
        with pytest.raises(AlreadyRunning, match="somebody else does"):
            unixsocket.listen(abstract)

    with pytest.raises(NotRunning):
        unixsocket.find_listener(abstract, 1)


def test_where_nobody_listens_nothing_runs(tmp_path: Path):
    unixsocket.listen(str(tmp_path / "stale")).close()

    for path in ("stale", "missing", "missing/folder"):
        with pytest.raises(NotRunning, match="oxtrio is not running") as caught:
            unixsocket.find_listener(str(tmp_path / path), 1)
        assert caught.value.hint == "start it: oxtrio start"


def test_a_listener_that_accepts_nobody_is_given_up_in_time(tmp_path: Path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen(0)
        unixsocket.find_listener(path, 0.05)

        with pytest.raises(DaemonUnreachable, match="accepts no connection"):
            unixsocket.find_listener(path, 0.05)


def test_a_connection_waits_no_longer_than_it_may(tmp_path: Path):
    path = str(tmp_path / "s")
    with unixsocket.listening(path), unixsocket.connect(path, 0.05) as connection:
        assert unixsocket.peer_of(connection) == (os.getpid(), os.geteuid())
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_connection_that_fails_leaves_nothing_open(tmp_path: Path):
    before = os.listdir("/proc/self/fd")

    with pytest.raises(NotRunning):
        unixsocket.connect(str(tmp_path / "s"), 1)
    with pytest.raises(OxtrioError, match="cannot connect to"):
        unixsocket.connect("@" + "x" * 200, 1)

    assert os.listdir("/proc/self/fd") == before


def test_the_last_word_of_a_peer_is_not_its_end():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not unixsocket.is_gone(ours)
        theirs.shutdown(socket.SHUT_WR)
        assert not unixsocket.is_gone(ours)
        theirs.close()
        assert unixsocket.is_gone(ours)


def test_the_owner_and_only_the_owner_is_allowed(monkeypatch: pytest.MonkeyPatch):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert unixsocket.is_allowed(ours)
        monkeypatch.setattr(unixsocket, "peer_of", lambda sock: unixsocket.Peer(1, 4711))
        assert not unixsocket.is_allowed(ours)
        monkeypatch.setattr(unixsocket, "peer_of", lambda sock: unixsocket.Peer(1, 0))
        assert unixsocket.is_allowed(ours)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stranger_is_known_as_one(abstract: str):
    with unixsocket.listening(abstract) as listener:
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                os.setuid(4711)
                unixsocket.find_listener(abstract, 1)
            os._exit(0)
        connection, _ = listener.accept()
        with connection:
            assert unixsocket.peer_of(connection) == (pid, 4711)
            assert not unixsocket.is_allowed(connection)
        os.waitpid(pid, 0)
