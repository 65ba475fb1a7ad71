"""What is remembered of a run that has ended."""

import time
from dataclasses import dataclass

from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer
from oxtrio.model.spec import AppSpec
from oxtrio.policy.restart import Ended, describe
from oxtrio.policy.symptoms import without_halts
from oxtrio.process.run import Run

LAST_LINES = 20
"""Lines of output that are remembered of a run that has ended."""
_LOOKED_AT = 200
"""Lines among which they are looked for."""


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
    spec: AppSpec | None = None
    """What it was launched with, where that is not what the instance has."""
    oom: bool = False
    """The kernel killed for want of memory while it ran."""
    run_id: str = ""
    """Of the run; "" where there was none."""


def past_of(ended: Ended, run: Run | None) -> PastRun:
    """What is to be remembered of *run*, or of a spawn that failed, which has just ended."""
    return PastRun(
        exit=ended.exit,
        at=time.time(),
        why=describe(ended),
        lasted=ended.lasted,
        fault=ended.fault,
        last_lines=without_halts(run.tail.lines(_LOOKED_AT))[-LAST_LINES:] if run else (),
        last_answer=run.last_answer if run else None,
        memory=run.last_usage.memory if run and run.last_usage else None,
        oom=bool(run and run.oom_struck()),
        run_id=run.run_id if run else "",
    )
