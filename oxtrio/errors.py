"""What can go wrong for an operator, each with the exit code that the command line ends with.

OxtrioError                  1   the operation failed
├── ConfigError              2   the oxfile, or a file it names, is wrong
├── UsageError               2   the command line is wrong
├── NotRunning               3   no supervisor serves this project
│   └── DaemonUnreachable    3   one holds the lock, but does not answer
├── NotFound                 4   no such app
├── Refused                  5   permissions
├── TimedOut               124   not done within --timeout
├── AlreadyRunning           1   another supervisor serves this project
├── SpawnFailed              1   a run could not be started
├── AddressTaken             1   somebody else listens on an address that is to be held
└── ProtocolError            1   the peer does not speak our protocol

A bug, such as an illegal state transition, is not an `OxtrioError` and has no hint.
"""

from typing import ClassVar


class OxtrioError(Exception):
    """The operation failed: *message* says what and why, *hint* what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(OxtrioError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class NotRunning(OxtrioError):
    """No supervisor serves this project."""

    exit_code = 3


class DaemonUnreachable(NotRunning):
    """A supervisor holds the lock of this project, but does not answer on its socket."""


class NotFound(OxtrioError):
    """No app has this name."""

    exit_code = 4


class Refused(OxtrioError):
    """This user may not do that."""

    exit_code = 5


class TimedOut(OxtrioError):
    """The operation goes on, but was not done within the time the caller gave it."""

    exit_code = 124


class AlreadyRunning(OxtrioError):
    """Another supervisor serves this project."""


class SpawnFailed(OxtrioError):
    """A run could not be started; the message names what is missing."""


class AddressTaken(OxtrioError):
    """Somebody else listens on an address that is to be held; the message says who."""


class ProtocolError(OxtrioError):
    """What came over the control socket is not our protocol."""


class Problem:
    """One thing that is wrong in a config file: where, what, and what to do about it."""

    __slots__ = ("file", "hint", "line", "what")

    def __init__(self, file: str, line: int, what: str, hint: str = "") -> None:
        self.file = file
        self.line = line
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.what}" + (f" ({self.hint})" if self.hint else "")

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ConfigError(OxtrioError):
    """The oxfile cannot be used: *problems* holds every one, with its line."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint)
        self.problems = problems
