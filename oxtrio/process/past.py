"""What is remembered of a run that has ended."""

from dataclasses import dataclass

from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """The evidence that explains why it ended."""

    exit: Exit
    at: float
    """Wall time of the end."""
    why: str
    """In a few words."""
    lasted: float
    fault: str = ""
    """Why oxtrio ended it; "" where it ended by itself or an operator asked."""
    last_lines: tuple[str, ...] = ()
    last_answer: Answer | None = None
    memory: int | None = None
    """Bytes, when it was last looked at."""
    oom: bool = False
    """The kernel killed for want of memory while it ran."""
