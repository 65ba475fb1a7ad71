"""How a run ended."""

from dataclasses import dataclass
from signal import Signals


def signal_name(number: int) -> str:
    """`SIGTERM` for 15; a number that has no name is shown as `signal 42`."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: exactly one of *code*, *signal*, or neither where nobody knows."""

    code: int | None = None
    signal: int | None = None
    core: bool = False
    """A core file was written."""
    sent_by_us: bool = False
    """The signal that ended it was one that oxtrio sent."""
    spawn_error: str = ""
    """Why there was no process at all."""

    def succeeded(self, success_codes: tuple[int, ...]) -> bool:
        """Whether this end is what the app is meant to end with."""
        return self.code is not None and self.code in success_codes

    @property
    def shell_code(self) -> int:
        """The code a shell would show: 128 + n for a signal, 1 where it is unknown."""
        if self.signal is not None:
            return 128 + self.signal
        return 1 if self.code is None else self.code

    def __str__(self) -> str:
        if self.spawn_error:
            return self.spawn_error
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}" + (" (core dumped)" if self.core else "")
        return "exit code unknown" if self.code is None else f"exit code {self.code}"
