"""Opening what a log goes to never waits and never follows a stranger."""

import errno
import os
import socket

import pytest

from oxtrio.logs.target import open_target, real_path

nobody = 65534


def test_missing_folders_are_made(tmp_path):
    target = open_target(str(tmp_path / "a" / "b" / "api.log"))

    assert target.regular
    assert os.stat(tmp_path / "a").st_mode & 0o777 == 0o755 & ~_umask()
    assert os.stat(tmp_path / "a" / "b" / "api.log").st_mode & 0o777 == 0o640 & ~_umask()
    os.close(target.fd)


@pytest.mark.parametrize("where", ["/dev/null", "/dev/full"])
def test_a_device_is_no_regular_file(where):
    target = open_target(where)

    assert not target.regular
    os.close(target.fd)


def test_a_fifo_without_a_reader_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(OSError, match=r".") as failed:
        open_target(str(tmp_path / "fifo"))
    assert failed.value.errno == errno.ENXIO


def test_a_regular_file_behind_dev_is_only_written_to(tmp_path):
    own = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT, 0o600)
    target = open_target(f"/proc/self/fd/{own}")

    assert not target.regular
    assert not os.get_blocking(target.fd)
    assert os.get_blocking(own)
    assert target.append(b"x") == (1, None)
    os.close(target.fd)
    os.close(own)


def test_a_socket_of_our_own_is_written_to_without_changing_its_mode():
    ours, theirs = socket.socketpair()
    target = open_target(f"/proc/self/fd/{ours.fileno()}")

    assert not target.regular
    assert target.append(b"x") == (1, None)
    assert theirs.recv(10) == b"x"
    _, error = target.append(b"x" * 10_000_000)
    assert error.errno == errno.EAGAIN
    assert ours.getblocking()
    os.close(target.fd)
    ours.close()
    theirs.close()


def test_a_folder_is_no_log(tmp_path):
    with pytest.raises(IsADirectoryError):
        open_target(str(tmp_path))


def test_our_own_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "api.log")

    assert real_path(str(tmp_path / "link")) == str(tmp_path / "api.log")
    assert real_path("/dev/stdout") == "/dev/stdout"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_link_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "secret").write_text("")
    (tmp_path / "api.log").symlink_to(tmp_path / "secret")
    os.lchown(tmp_path / "api.log", nobody, nobody)

    path = real_path(str(tmp_path / "api.log"))
    with pytest.raises(OSError, match=r".") as failed:
        open_target(path)
    assert failed.value.errno == errno.ELOOP


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path, disk):
    target = open_target(str(tmp_path / "api.log"))
    disk.room = 10

    done, error = target.append(b"longer than that\n")

    assert (done, error.errno) == (0, errno.ENOSPC)
    assert (tmp_path / "api.log").read_bytes() == b""
    disk.room = 100
    assert target.append(b"longer than that\n") == (17, None)
    os.close(target.fd)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
