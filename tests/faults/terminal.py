"""A terminal for a program, and the person in front of it."""

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CTRL_C = b"\x03"
CTRL_Z = b"\x1a"


class Terminal:
    """A terminal: what the person types comes from *person*, the program has *program*."""

    def __init__(self) -> None:
        self.person, self.program = pty.openpty()

    def type(self, keys: bytes) -> None:
        os.write(self.person, keys)

    @property
    def opens(self) -> tuple[str, ...]:
        """In front of a command that leads a session: this terminal controls it then."""
        return ("sh", "-c", f'exec "$0" "$@" < {os.ttyname(self.program)}')

    def hang_up(self) -> None:
        """The window is closed, the connection is lost."""
        for each in (self.program, self.person):
            with suppress(OSError):
                os.close(each)


@contextmanager
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.hang_up()
