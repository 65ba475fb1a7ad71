"""When a project ends by itself, and with which exit code."""

from oxtrio.model.spec import OnExit
from oxtrio.model.state import State
from oxtrio.process.instance import Instance
from oxtrio.supervisor.supervisor import Supervisor

OVER = frozenset({State.EXITED, State.CRASHED})


class Ending:
    """Watches for the end, and remembers who caused it."""

    def __init__(
        self, supervisor: Supervisor, *, when_all_ended: bool, exit_code_from: str | None = None
    ) -> None:
        self._supervisor = supervisor
        self._when_all_ended = when_all_ended
        self._exit_code_from = exit_code_from
        self._ender: Instance | None = None
        self._first_crash: Instance | None = None
        self.forced_by: int | None = None
        """The second signal of an impatient operator: then nothing ended as meant."""

    async def watch(self) -> None:
        """Ask for the shutdown when it is due, then return. Cancelling ends the watch."""
        while not self._is_due():
            await self._supervisor.changed.park()
        self._supervisor.shutdown(kill=False)

    @property
    def exit_code(self) -> int:
        """Of the app that ended the project, or of the first that crashed; else 0."""
        if self.forced_by is not None:
            return 128 + self.forced_by
        for instance in (self._ender, self._first_crash):
            if instance is not None and instance.past is not None:
                past = instance.past
                if past.fault:
                    return past.exit.shell_code or 1
                return past.exit.shell_code
        return 0

    def _is_due(self) -> bool:
        instances = self._supervisor.instances()
        for instance in instances:
            if instance.state is State.CRASHED and self._first_crash is None:
                self._first_crash = instance
            if self._ends_all(instance):
                self._ender = instance
                return True
        return self._when_all_ended and self._nothing_left(instances)

    def _ends_all(self, instance: Instance) -> bool:
        ends = instance.spec.on_exit is OnExit.SHUTDOWN or instance.spec.name == (
            self._exit_code_from
        )
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
