"""When a project ends by itself, and with which exit code."""

from oxtrio.model.spec import OnExit
from oxtrio.model.state import ALIVE, State
from oxtrio.process.instance import Instance
from oxtrio.process.past import PastRun
from oxtrio.supervisor.supervisor import Supervisor

OVER = frozenset({State.EXITED, State.CRASHED})


class Ending:
    """Watches for the end, and remembers who caused it."""

    def __init__(self, supervisor: Supervisor, *, when_all_ended: bool) -> None:
        self._supervisor = supervisor
        self._when_all_ended = when_all_ended
        self._ender: PastRun | None = None
        self._first_crash: tuple[Instance, PastRun | None] | None = None
        self.decided: int | None = None
        """The code where something else decided: a second signal, or a start that failed."""

    async def watch(self) -> None:
        """Ask for the shutdown when it is due, then return. Cancelling ends the watch."""
        while not self._is_due():
            await self._supervisor.changed.park()
        self._supervisor.shutdown(kill=False)

    @property
    def exit_code(self) -> int:
        """Of the app that ended the project, or of the first that crashed; else 0."""
        if self.decided is not None:
            return self.decided
        for past in (self._ender, self._first_crash[1] if self._first_crash else None):
            if past is not None:
                if past.fault:
                    return past.exit.shell_code or 1
                return past.exit.shell_code
        return 0

    def _is_due(self) -> bool:
        instances = self._supervisor.instances()
        if self._first_crash is not None and self._first_crash[0].state in ALIVE:
            self._first_crash = None  # it was repaired
        for instance in instances:
            if instance.state is State.CRASHED and self._first_crash is None:
                self._first_crash = (instance, instance.past)
            if self._ends_all(instance):
                self._ender = instance.past
                return True
        return self._when_all_ended and self._nothing_left(instances)

    def _ends_all(self, instance: Instance) -> bool:
        ends = instance.spec.on_exit is OnExit.SHUTDOWN
        return ends and instance.state in OVER and instance.is_settled

    def _nothing_left(self, instances: list[Instance]) -> bool:
        """Nothing runs and nothing will, but for what waits in vain for something that failed."""
        asked = [each for each in instances if each.wanted]
        return bool(asked) and all(
            each.is_settled and (each.state in OVER or self._waits_in_vain(each)) for each in asked
        )

    def _waits_in_vain(self, instance: Instance) -> bool:
        return instance.state is State.BLOCKED and self._supervisor.dependencies.has_failed(
            instance
        )
