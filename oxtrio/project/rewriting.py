"""Writing an oxfile anew: whole or not at all, and still the same person's file."""

import os
from contextlib import suppress

from oxtrio.errors import OxtrioError, Refused


def check_rewritable(path: str) -> None:
    """Raises `Refused` where `rewrite` could only fail, as far as can be told beforehand."""
    target = os.path.realpath(path)
    found = os.stat(target)
    folder = os.path.dirname(target)
    if not os.access(target, os.W_OK):
        raise Refused(f"cannot write '{target}': permission denied")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(f"cannot write '{target}': its folder cannot be written to")
    if os.geteuid() not in (0, found.st_uid):
        raise Refused(f"cannot write '{target}': it would not be its owner's any more")


def rewrite(path: str, text: str) -> None:
    """Put *text* into the file *path*, by rename: a reader finds the old or the new, never half.

    Mode, owner and group stay; where *path* is a link, what it leads to is replaced. Raises
    `OxtrioError`, and then nothing has changed.
    """
    target = os.path.realpath(path)
    new = f"{target}.{os.getpid()}.new"
    try:
        found = os.stat(target)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                _keep(descriptor, found)
                os.fsync(descriptor)
            os.replace(new, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
        _sync_folder(os.path.dirname(target))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        kind = Refused if isinstance(error, PermissionError) else OxtrioError
        raise kind(f"cannot write '{target}': {why}") from None


def _keep(descriptor: int, found: os.stat_result) -> None:
    """Give the new file the owner and the mode of the old one."""
    ours = os.fstat(descriptor)
    if (ours.st_uid, ours.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)
    # After the owner, as a change of that takes some bits away.
    os.fchmod(descriptor, found.st_mode & 0o7777)


def _sync_folder(folder: str) -> None:
    """Some file systems cannot; the rename is done all the same."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
