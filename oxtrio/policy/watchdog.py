"""By when a run must have said something, and what it means when it has not."""

from dataclasses import dataclass, replace

from oxtrio.model.spec import ReadySpec
from oxtrio.policy.notify import Notice

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """What is awaited of one run: `READY=1`, a line of output, then `WATCHDOG=1` again and again.

    All times are those of one monotonic clock. What happens makes new `Deadlines` of it. For
    the time in which oxtrio itself stops the run they mean nothing.
    """

    spec: ReadySpec
    spawned_at: float
    stop_timeout: float = NEVER
    """Seconds that it has when it says that it ends by itself (`STOPPING=1`)."""
    said_ready: bool = False
    saw_line: bool = False
    pinged_at: float = 0.0
    """When it last said `WATCHDOG=1`, or came under the watchdog."""
    watchdog: float | None = None
    """Seconds that it has set itself (`WATCHDOG_USEC`), instead of those of the spec."""
    extended_to: float = -NEVER
    """Until then it has asked for patience (`EXTEND_TIMEOUT_USEC`)."""
    stopping_at: float | None = None
    """When it said that it ends by itself."""
    triggered: bool = False
    """It asked to be taken for failed (`WATCHDOG=trigger`)."""

    @property
    def passed(self) -> bool:
        """Whether *notify* and *log_line* have passed, as far as they are asked for."""
        return not self._lacks_ready and not self._lacks_line

    def proven(self, now: float) -> "Deadlines":
        """An earlier supervisor has heard all that makes it ready; it has pinged just now."""
        return replace(self, said_ready=True, saw_line=True, pinged_at=now)

    def matched(self) -> "Deadlines":
        """A line of output is as *log_line* asks."""
        return replace(self, saw_line=True)

    def heard(self, notice: Notice, now: float) -> "Deadlines":
        """The run has said *notice*. An extension is never shortened by a later one."""
        after = self
        if notice.ready and not self.said_ready:
            after = replace(after, said_ready=True, pinged_at=now)
        if notice.watchdog_timeout is not None:
            after = replace(after, watchdog=notice.watchdog_timeout, pinged_at=now)
        if notice.watchdog == "ping":
            after = replace(after, pinged_at=now)
        if notice.extend_timeout is not None:
            until = max(after.extended_to, now + notice.extend_timeout)
            after = replace(after, extended_to=until)
        if notice.stopping and self.stopping_at is None:
            after = replace(after, stopping_at=now)
        return replace(after, triggered=True) if notice.watchdog == "trigger" else after

    def next(self) -> float:
        """When to ask `overdue` if nothing is said until then; infinite: it need say nothing."""
        return -NEVER if self.triggered else min(at for at, _ in self._awaited())

    def overdue(self, now: float) -> str | None:
        """Why the run has failed, or None: it is not, or not yet."""
        if self.triggered:
            return "it asked for it (WATCHDOG=trigger)"
        at, why = min(self._awaited())
        return why if at <= now else None

    @property
    def _lacks_ready(self) -> bool:
        return self.spec.notify and not self.said_ready

    @property
    def _lacks_line(self) -> bool:
        return self.spec.log_line is not None and not self.saw_line

    def _awaited(self) -> list[tuple[float, str]]:
        """Each thing that must be said: by when, and what to say of a run that did not."""
        awaited = [(NEVER, "")]
        if self.stopping_at is not None:
            patience = self.stop_timeout
            late = f"still there {patience:g} s after STOPPING=1"
            awaited.append((self._by(self.stopping_at + patience), late))
            return awaited  # what is about to end has no time to answer
        ready_by = self._by(self.spawned_at + self.spec.period)
        if self._lacks_ready:
            awaited.append((ready_by, f"no READY=1 within {self._lasted(ready_by):g} s"))
        if self._lacks_line:
            late = f"no line matched {self.spec.log_line!r} within {self._lasted(ready_by):g} s"
            awaited.append((ready_by, late))
        watchdog = self.spec.watchdog if self.watchdog is None else self.watchdog
        if watchdog and self.said_ready:
            due = self._by(self.pinged_at + watchdog)
            awaited.append((due, f"no WATCHDOG=1 for {due - self.pinged_at:g} s"))
        return awaited

    def _by(self, planned: float) -> float:
        return max(planned, self.extended_to)

    def _lasted(self, until: float) -> float:
        return until - self.spawned_at
