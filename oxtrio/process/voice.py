"""What a run says of itself: by sd_notify, and by lines of its output."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from oxtrio.errors import SpawnFailed, UsageError
from oxtrio.logs.watch import LineWatch
from oxtrio.model.readiness import Test
from oxtrio.model.spec import ReadySpec, StopSpec
from oxtrio.policy.notify import Notice, parse_notice
from oxtrio.policy.watchdog import Deadlines
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from oxtrio.system.notify import Message, NotifySocket

if TYPE_CHECKING:
    from oxtrio.process.run import Run

PAUSED = 0.5
"""Seconds between two looks at one that is late because it is paused, or being stopped."""
NOT_KEPT = "oxtrio keeps no descriptors (FDSTORE=1)"


class Voice:
    """Listens to one run. Made before it is spawned, so that its first word is heard.

    Raises `SpawnFailed` where it could not be heard.
    """

    def __init__(
        self,
        run_id: str,
        ready: ReadySpec,
        stop: StopSpec,
        uid: int | None,
        keepsakes: Keepsakes = NOTHING_KEPT,
    ) -> None:
        self._deadlines = Deadlines(ready, trio.current_time(), stop.timeout)
        self._turned = trio.lowlevel.ParkingLot()
        self._socket: NotifySocket | None = None
        self._pattern = ready.log_line
        self._in_vain = ""
        """Why a line of its output is not looked for any more."""
        if ready.notify:
            try:
                self._socket = NotifySocket(run_id, uid, keepsakes)
            except OSError as error:
                raise SpawnFailed(f"cannot make its NOTIFY_SOCKET: {error.strerror}") from error

    def was_ready(self) -> None:
        """An earlier supervisor has heard that it is ready."""
        self._deadlines = self._deadlines.proven(trio.current_time())

    @property
    def env(self) -> dict[str, str]:
        """What the run finds in its environment."""
        if self._socket is None:
            return {}
        env = {"NOTIFY_SOCKET": self._socket.address}
        if self._deadlines.spec.watchdog is not None:
            env["WATCHDOG_USEC"] = str(round(self._deadlines.spec.watchdog * 1_000_000))
        return env

    def listener(self) -> Callable[[bytes], None] | None:
        """Takes the output of one stream as it comes; None where nobody looks for a line."""
        if self._pattern is None:
            return None
        try:
            watch = LineWatch(self._pattern)
        except UsageError as error:
            raise SpawnFailed(f"its log_line: {error.message}", error.hint) from error

        def hear(data: bytes) -> None:
            if self._deadlines.saw_line or self._in_vain:
                return
            try:
                if not watch.feed(data):
                    return
                self._deadlines = self._deadlines.matched()
            except UsageError as error:
                self._in_vain = f"its log_line: {error.message}"
            self._turned.unpark_all()

        return hear

    async def attend(self, run: "Run") -> None:
        """Tell *run* what it has said, and that it has failed when it is too late.

        Cancelling ends that.
        """
        async with trio.open_nursery() as nursery:
            if self._socket is not None:
                nursery.start_soon(self._receive, self._socket, run)
            while True:
                self._pass(run)
                overdue = self._in_vain or self._deadlines.overdue(trio.current_time())
                if overdue is None:
                    with trio.move_on_at(self._deadlines.next()):
                        await self._turned.park()
                elif run.paused:
                    await self._excuse()
                else:
                    run.fail(overdue)
                    break

    async def _excuse(self) -> None:
        """What is stopped cannot speak: its time is counted anew."""
        await trio.sleep(PAUSED)
        until = Notice(watchdog="ping", extend_timeout=2 * PAUSED)
        self._deadlines = self._deadlines.heard(until, trio.current_time())

    def close(self) -> None:
        """Nobody listens any more."""
        if self._socket is not None:
            self._socket.close()

    async def _receive(self, socket: NotifySocket, run: "Run") -> None:
        while True:
            self._heed(await socket.receive(), run)

    def _heed(self, message: Message, run: "Run") -> None:
        notice = parse_notice(message.data)
        self._deadlines = self._deadlines.heard(notice, trio.current_time())
        if notice.status is not None:
            run.said = notice.status
        elif notice.fdstore and not run.said:
            run.said = NOT_KEPT
        if notice.main_pid is not None and run.main.name(notice.main_pid):
            named = run.kin.main
            pid, started = (named.pid, named.started) if named is not None else (0, 0)
            run.record.update(main_pid=pid, main_started=started)
        self._turned.unpark_all()

    def _pass(self, run: "Run") -> None:
        if self._deadlines.said_ready:
            run.passed(Test.NOTIFY)
        if self._deadlines.saw_line:
            run.passed(Test.LOG_LINE)
