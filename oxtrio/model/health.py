"""What a health check answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a health check, and how it is shown: `200 OK`, `connection refused`."""

    ok: bool
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a health command ended: exactly one of *code*, *signal*, or neither at the timeout."""

    code: int | None = None
    signal: int | None = None
    output_tail: bytes = b""
    """The last of what it wrote to both streams, at most 4 KiB."""
    timed_out: bool = False
    """It was killed, with its group, because it took too long."""
    error: str = ""
    """Why it could not be started at all."""
