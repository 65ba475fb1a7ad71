"""Upgrade in place: the program that is installed now takes the place of this one.

First it shows, in a process of its own, that it can go on from here: that it starts, and that
it understands the state and the oxfile. Then it is executed in our process (execve(2)), so that
children, pid and parent stay. Between the last look at what is and the execve nothing is awaited;
what is lost is what a crash would lose, and the way to go on is that after a crash.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

import trio

from oxtrio import __version__
from oxtrio.control.server import ControlServer
from oxtrio.errors import OxtrioError
from oxtrio.logs.display import Display
from oxtrio.model.health import CommandResult
from oxtrio.process.command import run_to_end
from oxtrio.process.output import kept_names, mark_of
from oxtrio.project.lock import Lock
from oxtrio.supervisor.handover import Handover, describe, live_runs, said, text_of
from oxtrio.supervisor.supervisor import Supervisor
from oxtrio.supervisor.upgrading import under_way
from oxtrio.system.handover import become, page_of
from oxtrio.system.keepsakes import Keeper
from oxtrio.system.owner import Owner
from oxtrio.system.spawn import Launch
from oxtrio.systemd import Herald

SUPERVISE, REHEARSE = "--supervise", "--rehearse"
"""Words after which our program takes a place, or shows that it could."""
REHEARSAL = 60.0
"""Seconds that the rehearsal may take."""
LAST_REPLIES = 2.0
"""Seconds in which the answers that are under way may go out."""
LAST_LINES = 5.0
"""Seconds in which what is to be shown on a terminal has to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A supervisor's place in the world, which another program can take."""

    command: tuple[str, ...]
    """What is executed: it ends with `--supervise` and the request."""
    environ: Mapping[str, str]
    keeper: Keeper
    lock: Lock | None = None
    handed: Handover | None = None
    """From the program whose place we have taken; None: we were started."""


class Upgrade:
    """The program that takes our place, when it is asked to."""

    def __init__(self, seat: Seat, supervisor: Supervisor, children: Owner) -> None:
        self._seat = seat
        self._supervisor = supervisor
        self._children = children
        self._display: Display | None = supervisor.around.display
        self._called = trio.Event()

    async def rehearse(self) -> str:
        """Its version, once it has shown that it can go on from here.

        Raises `OxtrioError` with what it has said. Cancelling ends it.
        """
        text = text_of(self._described())
        *before, word, request = self._seat.command
        assert word == SUPERVISE
        page = page_of(text)
        try:
            result = await self._run((*before, REHEARSE, request), page)
        finally:
            os.close(page)
        return _version_in(result)

    def call(self) -> None:
        """Have it take our place, as soon as the answers that are under way are given."""
        self._report("")
        self._called.set()

    async def serve(self, control: ControlServer, herald: Herald) -> None:
        """Wait for the call, and end with it: as the other program. What fails is reported.

        Cancelling ends the waiting.
        """
        while True:
            await self._called.wait()
            self._called = trio.Event()
            try:
                await self._replace(control, herald)
            except (OxtrioError, OSError) as error:
                why = error.message if isinstance(error, OxtrioError) else str(error.strerror)
                self._report(why)
            control.go_on()
            if self._display is not None:
                self._display.go_on()

    async def _replace(self, control: ControlServer, herald: Herald) -> None:
        control.hold()
        with trio.move_on_after(LAST_REPLIES):
            await control.finish()
        with trio.move_on_after(LAST_LINES) as patience:
            await self._supervisor.around.logs.flush()
            if self._display is not None:
                await self._display.settle()
            await self._supervisor.remembered()
            while under_way(self._supervisor.instances()):  # something was asked meanwhile
                await self._supervisor.changed.park()
        if patience.cancelled_caught:
            output = "output waits, for room on a disk or for whoever reads our stdout"
            raise OxtrioError(under_way(self._supervisor.instances()) or output)
        if not self._supervisor.stopping:
            self._become(control, herald)

    def _become(self, control: ControlServer, herald: Herald) -> None:
        """No await in here: what is handed on is what is. Raises `OSError` where it fails."""
        with self._marks_kept():
            descriptors = self._descriptors(control)
            handover = replace(self._described(), descriptors=tuple(descriptors.items()))
            with herald.reloading():
                given = descriptors.values()
                become(self._seat.command, self._seat.environ, text_of(handover), given)

    def _descriptors(self, control: ControlServer) -> dict[str, int]:
        """What stays open, by name. Raises `OxtrioError`."""
        descriptors = dict(self._seat.keeper.hand_on())
        if control.listener is not None:
            descriptors["control"] = control.listener.socket.fileno()
        if self._seat.lock is not None:
            held = self._seat.lock.descriptors
            descriptors |= {f"lock/{number}": each for number, each in enumerate(held)}
        return descriptors

    def _described(self) -> Handover:
        limit, expected = self._children.limit.original, self._children.expected()
        described = describe(self._supervisor, expected, limit, __version__)
        begun = said(self._display.begun) if self._display is not None else ()
        return replace(described, upgrades=described.upgrades + 1, begun=begun)

    @contextmanager
    def _marks_kept(self) -> Iterator[None]:
        """Inside, marks that are in no file are handed on as well."""
        with ExitStack() as copies:
            for run in live_runs(self._supervisor):
                for name, output in zip(kept_names(run.run_id), run.outputs, strict=True):
                    if (copy := output.copy_of_mark()) is not None:
                        copies.callback(os.close, copy)
                        copies.callback(self._seat.keeper.drop, mark_of(name))
                        self._seat.keeper.keep(mark_of(name), copy)
            yield

    async def _run(self, command: Sequence[str], page: int) -> CommandResult:
        def launch(run_id: str, writing: int) -> Launch:
            env = {**self._seat.environ, "OXTRIO_HANDOVER": "3"}
            return Launch(
                argv=tuple(command),
                cwd=os.getcwd(),
                env=env,
                stdout=writing,
                stderr=writing,
                sockets=(page,),  # they have the numbers from 3 on
            )

        return await run_to_end(self._supervisor.around, launch, REHEARSAL)

    def _report(self, why: str) -> None:
        supervisor = self._supervisor
        assert supervisor.identity is not None
        supervisor.identity = replace(supervisor.identity, upgrade_failed=why)
        if why:
            supervisor.journal.record("", "upgrade-failed", reason=why)


def _version_in(result: CommandResult) -> str:
    """What a rehearsal has said at last. Raises `OxtrioError` where it went wrong."""
    lines = result.output_tail.decode(errors="replace").splitlines()
    for line in reversed(lines):
        with suppress(ValueError, AttributeError, KeyError):
            answer = json.loads(line)
            if "version" in answer:
                return str(answer["version"])
            why = f"the new program cannot go on: {answer['error']}"
            raise OxtrioError(why, answer["hint"])
    raise OxtrioError(f"the new program does not work: {_what_went_wrong(result, lines)}")


def _what_went_wrong(result: CommandResult, lines: Sequence[str]) -> str:
    if result.timed_out:
        return f"it said nothing within {REHEARSAL:g} s"
    how = result.error or (f"signal {result.signal}" if result.signal else f"exit {result.code}")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{last or 'it said nothing'} ({how})"
