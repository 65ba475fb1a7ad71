"""What started us is told how we are, where it wants to know (systemd: `Type=notify`)."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import trio

from oxtrio.policy.notify import ping_interval, summary
from oxtrio.supervisor.supervisor import Supervisor
from oxtrio.system.sd_notify import tell_manager

STATUS_PAUSE = 1.0
"""Seconds between two `STATUS=`, however much changes."""
PATIENCE = 10.0
"""Seconds that are asked for at a time while a start or a stop goes on."""
AGAIN = 0.2
"""Seconds after which somebody who had no room is told again."""
BACKLOG = 100
"""Messages that wait for room."""

_MORE_TIME = f"EXTEND_TIMEOUT_USEC={round(PATIENCE * 1_000_000)}"


class Herald:
    """Tells the service manager above *supervisor*; without one it says nothing.

    Nothing here waits for the manager: what it has no room for is said again by `serve`.
    """

    def __init__(
        self, environ: Mapping[str, str], supervisor: Supervisor, keeper: int | None = None
    ) -> None:
        """*keeper* is the pid of our keeper, which is the main process of the service then."""
        assert supervisor.identity is not None
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._pid = supervisor.identity.pid
        self._main = self._pid if keeper is None else keeper
        self._ping_every = ping_interval(environ, self._pid)
        self._supervisor = supervisor
        self._ready = trio.Event()
        self._status = ""
        self._unsaid: deque[str] = deque(maxlen=BACKLOG)
        self._stuck = trio.Event()

    @property
    def is_heard(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self._address)

    def ready(self) -> None:
        """The supervisor is up, and what it starts by itself has had its first outcome."""
        self._ready.set()
        self._status = self._summary()
        # In the background we are a child of what systemd has started, which ends soon.
        main = () if self._supervisor.foreground else (f"MAINPID={self._main}",)
        self._say("READY=1", f"STATUS={self._status}", *main)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Inside the block the oxfile is read again, and what has changed is told to reload."""
        if not self._ready.is_set() or self._supervisor.stopping:
            yield
            return
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if not self._supervisor.stopping:
                self._say("READY=1")

    def stopping(self, exit_code: int) -> None:
        """All is being stopped; as far as is known by now we shall end with *exit_code*."""
        if exit_code == 0 and not self._ready.is_set():
            # All has ended as meant, and so quickly: without READY=1 that would be a failure.
            self.ready()
        self._say("STOPPING=1", _MORE_TIME)

    async def serve(self) -> None:
        """Say that we live, in which states the apps are, and when time is needed, for ever.

        Cancelling ends that.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_states)
            nursery.start_soon(self._ask_for_patience)
            nursery.start_soon(self._say_again)
            if self._ping_every is not None:
                nursery.start_soon(self._ping, self._ping_every)

    async def _tell_states(self) -> None:
        while True:
            status = self._summary()
            if status == self._status:
                await self._supervisor.changed.park()
                continue
            if self._say_if_room(f"STATUS={status}"):
                self._status = status
            await trio.sleep(STATUS_PAUSE)

    async def _ask_for_patience(self) -> None:
        """Starts and stops take as long as the apps may take, whatever the unit says."""
        while not self._ready.is_set():
            self._say_if_room(_MORE_TIME)
            with trio.move_on_after(PATIENCE / 2):
                await self._ready.wait()
        await self._supervisor.shutdown_asked.wait()
        while True:
            await trio.sleep(PATIENCE / 2)
            self._say_if_room(_MORE_TIME)

    async def _ping(self, every: float) -> None:
        while True:
            self._say_if_room("WATCHDOG=1")
            await trio.sleep(every)

    async def _say_again(self) -> None:
        while True:
            await self._stuck.wait()
            await trio.sleep(AGAIN)
            self._flush()

    def _summary(self) -> str:
        return summary(each.state for each in self._supervisor.instances())

    def _say(self, *assignments: str) -> None:
        if self.is_heard:
            self._unsaid.append("\n".join(assignments))
            self._flush()

    def _say_if_room(self, assignment: str) -> bool:
        """For what is said again anyway: it must not pile up behind what has to be said."""
        return not self._unsaid and tell_manager(self._address, assignment)

    def _flush(self) -> None:
        while self._unsaid and tell_manager(self._address, self._unsaid[0]):
            self._unsaid.popleft()
        if self._unsaid:
            self._stuck.set()
        elif self._stuck.is_set():
            self._stuck = trio.Event()
