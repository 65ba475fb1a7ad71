"""Files of listening Unix sockets: made beside a path, moved over it, and who is behind one."""

import errno
import os
import secrets
import shutil
import socket
import stat
from contextlib import suppress

from oxtrio.errors import OxtrioError, Refused
from oxtrio.model.spec import ListenSpec
from oxtrio.system.unixsocket import Peer, peer_of, reachable

File = tuple[int, int]
"""What a file is, whatever its name: device and inode."""

Beside = tuple[socket.socket, str, File]
"""A listening socket, its name beside the path, and the file that it is."""

SHOWN = 50
"""Characters of a name that come again in those beside it, so that these do not get too long."""


def open_beside(listen: ListenSpec) -> Beside:
    """A socket that listens under a name of its own in the folder of *listen*; name and file.

    Its mode and owner are those of *listen* before anybody can connect. Raises `OSError`, or
    `OxtrioError` for a user or group that is not known or not allowed.
    """
    name = name_beside(listen.path or "")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before bind: so it is never wider than asked for; the umask may make it narrower.
        os.fchmod(sock.fileno(), listen.mode)
        with reachable(name) as address:
            sock.bind(address)
        file = _hand_to_owner(name, listen)
        sock.listen(listen.backlog)
    except BaseException:
        sock.close()
        remove(name)
        raise
    return sock, name, file


def _hand_to_owner(name: str, listen: ListenSpec) -> File:
    # By descriptor: who may write in the folder could put a link there in between.
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode):
            raise FileExistsError(errno.EEXIST, "somebody else has replaced it")
        itself = f"/proc/self/fd/{descriptor}"
        _change_owner(itself, listen)
        os.chmod(itself, listen.mode)
        return found.st_dev, found.st_ino
    finally:
        os.close(descriptor)


def _change_owner(itself: str, listen: ListenSpec) -> None:
    user, group = _number_or_name(listen.owner), _number_or_name(listen.group)
    if user is None and group is None:
        return
    try:
        shutil.chown(itself, user, group)  # type: ignore[arg-type]
    except LookupError as error:
        raise OxtrioError(f"cannot hold {listen}: {error}") from None
    except PermissionError:
        whose = " ".join(filter(None, (listen.owner, listen.group)))
        raise Refused(f"cannot hold {listen}: only root may give it to '{whose}'") from None


def _number_or_name(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdigit() else text


def name_beside(path: str) -> str:
    """A name in the folder of *path* that nothing has."""
    return name_with(path, secrets.token_hex(4))


def name_with(path: str, token: str) -> str:
    """The name beside *path* that ends with *token*."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:SHOWN]}.{token}")


def number_of(name: str) -> int:
    """The token at the end of a name beside a path, as a number."""
    return int(name.rpartition(".")[2], 16)


def token_of(number: int) -> str:
    """The token that is *number*."""
    return f"{number:08x}"


def sweep(path: str) -> None:
    """Remove names beside *path* that a supervisor which was killed has left there."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        for entry in os.listdir(folder):
            stem, _, token = entry.rpartition(".")
            if stem == f".{name[:SHOWN]}" and len(token) == 8:
                beside = os.path.join(folder, entry)
                if is_socket(beside) and not is_listening(beside):
                    remove(beside)


def move_over(name: str, path: str) -> None:
    """Let *path* be the file at *name*, in one step; the name stays where it can.

    Raises `OSError`, and then nothing has changed.
    """
    spare = name_beside(path)
    try:
        os.link(name, spare)
    except OSError:
        spare = name  # a file system without a second name for one file
    try:
        os.rename(spare, path)
    except OSError:
        if spare != name:
            remove(spare)
        raise


def file_at(name: str) -> File | None:
    """What is at *name*; None where there is nothing."""
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove(name: str) -> None:
    """Remove *name*; it is no error where that cannot be."""
    with suppress(OSError):
        os.unlink(name)


def check_free(path: str) -> None:
    """Raise `OSError` unless a socket may be put at *path*: a file that is in the way is stale.

    EADDRINUSE: somebody listens. ENOTSOCK: it is no socket. EACCES: nobody lets us see.
    """
    if file_at(path) is None:
        return
    if not is_socket(path):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    if is_listening(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def is_socket(path: str) -> bool:
    """Whether there is a socket file at *path* itself, not behind a link."""
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def is_listening(path: str) -> bool:
    """Whether somebody listens at *path*. Raises `PermissionError` where that cannot be seen."""
    try:
        connect(path).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except PermissionError:
        raise
    except OSError:
        return True  # the queue is full, or it is a socket of another type
    return True


def listener_at(path: str) -> Peer | None:
    """The process that made the socket at *path* listen; None where it cannot be known."""
    try:
        with connect(path) as client:
            return peer_of(client)
    except OSError:
        return None


def connect(path: str) -> socket.socket:
    """A non-blocking connection to *path*. Raises `OSError`; EAGAIN: the queue is full."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.setblocking(False)
        with reachable(path) as address:
            client.connect(address)
    except BaseException:
        client.close()
        raise
    return client
