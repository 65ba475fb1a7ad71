"""Why a process could not be started, in words that name what is missing.

Python reports the same `FileNotFoundError` for a missing program, a missing folder and a
missing interpreter in a `#!` line; the difference is what the operator needs.
"""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence

from oxtrio.errors import SpawnFailed


def explain_spawn_error(
    error: Exception, argv: Sequence[str], cwd: str, env: Mapping[str, str]
) -> SpawnFailed:
    """What *error* means for somebody who wrote `command`, `working_dir` and `env`."""
    if not isinstance(error, OSError):
        return SpawnFailed(f"cannot start '{argv[0]}': {error}")
    trouble = _folder_trouble(cwd)
    if trouble:
        return SpawnFailed(*trouble)
    explain = EXPLAINED.get(error.errno or 0)
    if explain is None:
        return SpawnFailed(f"cannot start '{argv[0]}': {os.strerror(error.errno or 0)}")
    return SpawnFailed(*explain(_path_of(argv[0], cwd, env)))


def _folder_trouble(cwd: str) -> tuple[str, str] | None:
    if not os.path.exists(cwd):
        return f"working_dir '{cwd}' does not exist", f"mkdir -p '{cwd}', or correct working_dir"
    if not os.path.isdir(cwd):
        return f"working_dir '{cwd}' is not a folder", "correct working_dir in the oxfile"
    if not os.access(cwd, os.X_OK):
        return f"working_dir '{cwd}' may not be entered: permission denied", ""
    return None


def _path_of(program: str, cwd: str, env: Mapping[str, str]) -> str:
    if "/" in program:
        return os.path.join(cwd, program)
    # Its own PATH, not ours: that is where it was looked for.
    return shutil.which(program, path=env.get("PATH")) or program


def _missing(path: str) -> tuple[str, str]:
    if not os.path.exists(path):
        return (
            f"command '{path}' not found",
            "install it, or name its folder by `venv` or an absolute path",
        )
    first = _first_line(path)
    if not first.startswith("#!"):
        return (
            f"'{path}' was built for another system: its loader does not exist",
            "install the program for this system",
        )
    # The kernel takes a carriage return for a part of the name.
    interpreter = (first[2:].strip(" \t").split(" ") or [""])[0]
    if interpreter.endswith("\r"):
        named = interpreter.replace("\r", "\\r")
        return (
            f"'{path}' has Windows line endings: its #! line names '{named}'",
            f"sed -i 's/\\r$//' '{path}'",
        )
    return (
        f"the interpreter '{interpreter}' of '{path}' does not exist",
        "correct its #! line, or install the interpreter",
    )


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(256).partition(b"\n")[0].decode(errors="replace")
    except OSError:
        return "#!?"


def _denied(path: str) -> tuple[str, str]:
    if os.path.isdir(path):
        return f"'{path}' is a folder, not a program", ""
    return f"'{path}' is not executable: permission denied", f"chmod +x '{path}'"


def _format(path: str) -> tuple[str, str]:
    return f"'{path}' cannot be executed: no #! line and not a program", "add a #! line to it"


def _too_long(path: str) -> tuple[str, str]:
    return f"cannot start '{path}': arguments and environment are too long", ""


def _no_process(path: str) -> tuple[str, str]:
    return f"cannot start '{path}': no more processes allowed", "see ulimit -u and pids.max"


def _no_descriptor(path: str) -> tuple[str, str]:
    return f"cannot start '{path}': too many open files", "raise the limit: ulimit -n"


def _not_permitted(path: str) -> tuple[str, str]:
    return f"cannot start '{path}': operation not permitted", "user, groups and limits need root"


EXPLAINED = {
    errno.ENOENT: _missing,
    errno.ENOTDIR: _missing,
    errno.EACCES: _denied,
    errno.ENOEXEC: _format,
    errno.E2BIG: _too_long,
    errno.EAGAIN: _no_process,
    errno.ENOMEM: _no_process,
    errno.EMFILE: _no_descriptor,
    errno.ENFILE: _no_descriptor,
    errno.EPERM: _not_permitted,
}
