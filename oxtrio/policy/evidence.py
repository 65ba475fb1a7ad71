"""All that is known of an instance when somebody asks why it is in its state."""

from dataclasses import dataclass

from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer
from oxtrio.model.listener import Listener
from oxtrio.model.spec import AppSpec, Condition
from oxtrio.model.state import ALIVE, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """The dependency that an instance waits for, or that failed it."""

    name: str
    state: State
    condition: Condition = Condition.STARTED
    """What it must have reached."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyFacts:
    """Everything that `explain` looks at; what is not known stays at its default."""

    name: str
    """Of the instance: `api`, or `api:0`."""
    state: State
    spec: AppSpec
    reason: str = ""
    """The sentence that `status` shows."""
    since: str = ""
    """How long it has been in this state, as text: `12 s`, `2 d 6 h`."""
    wanted: bool = True
    """Whether an operator wants it up."""
    exit: Exit | None = None
    """Of the last run; None before the first has ended."""
    ended_because: str = ""
    """Why oxtrio itself ended the last run: over a limit, unwell, never ready. "" where it
    ended by itself, or an operator asked."""
    lasted: float | None = None
    """Seconds that the last run lasted."""
    last_lines: tuple[str, ...] = ()
    """The last output of the run that lives, else of the last run; decoded, oldest first."""
    lines_at_end: tuple[str, ...] | None = None
    """The last output of the run that ended last, where another one lives now."""
    last_health: Answer | None = None
    """The last answer of the health check; of the last run where none runs now."""
    restarts: int = 0
    """Automatic ones since an operator last started it."""
    failures: int = 0
    """Consecutive ones; `spec.restart.limit` are allowed."""
    next_in: float | None = None
    """Seconds until it starts again, in backoff."""
    blocked_on: Blocker | None = None
    env_file_error: str = ""
    """Why an env file could not be read: `/srv/.env: No such file or directory`."""
    listener: Listener | None = None
    """Who has the address that the app failed to take (see `address_in_use`)."""
    oom: bool = False
    """The kernel's out-of-memory killer struck while the last run ended."""
    memory_at_end: int | None = None
    """Bytes that the last run used when it was last looked at."""
    pid: int | None = None
    """The main process, where one lives."""
    leftovers: int = 0
    """Processes of an ended run that are still there."""
    listens: tuple[str, ...] = ()
    """The addresses that are held for it."""
    gap: str = ""
    """Why a reload means that clients are refused, or wait, for a moment."""
    instead: str = ""
    """What to write into the oxfile to remove the gap."""
    rejected: str = ""
    """Why the newcomer of the last reload did not take over; "" where it did."""
    rejected_since: str = ""
    """How long ago that was, as text."""
    in_venv: str = ""
    """`.venv` where the missing program is at `.venv/bin/<program>` of the working folder."""

    @property
    def end_lines(self) -> tuple[str, ...]:
        """What the run that ended last said at its end: never the words of one that lives."""
        if self.lines_at_end is not None:
            return self.lines_at_end
        return () if self.state in ALIVE else self.last_lines


@dataclass(frozen=True, slots=True)
class Cause:
    """What the evidence shows: why a run ended."""

    short: str
    """For a column: `command not found: uvicorn`."""
    text: str
    """Whole sentences."""
    hints: tuple[str, ...] = ()


def oxfile_line(facts: WhyFacts, line: str) -> str:
    """A hint: *line* belongs into the table of this app."""
    return f"in the oxfile, under [processes.{facts.spec.name}]: {line}"
