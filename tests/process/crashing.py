"""A reader of pipes in a process of its own, to be killed; and who comes after it."""

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import cast

import trio

from oxtrio.logs.store import LogStore
from oxtrio.model.log import Stream
from oxtrio.model.spec import AppSpec, LogSpec
from oxtrio.process.output import (
    Output,
    Progress,
    Tail,
    kept_names,
    open_output,
)
from oxtrio.process.recovery import reopen_output, settle_marks
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.fifo import Scratch
from oxtrio.system.handover import Carrier
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from tests.engine import an_app

OURS = str(Path(__file__).parent.parent.parent / "oxtrio")


@dataclass
class Site:
    """Some instances of one app, each with its two pipes; all write to the log of the app."""

    folder: Path
    logs: LogSpec = field(default_factory=LogSpec)
    instances: int = 1
    kept: dict[str, int] = field(default_factory=dict)
    """Descriptors that outlive every reader, as the writers would have them."""

    @property
    def app(self) -> AppSpec:
        return an_app("a", "x", instances=self.instances, logs=self.logs)

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def begin(self) -> None:
        """The pipes are made, and their first reader goes before it has read anything."""
        self.runs.mkdir()
        in_trio(self._begin)

    def _begin(self) -> None:
        around = self._around()
        store = LogStore(str(self.folder / "logs"), print)
        for number in range(self.instances):
            sinks = [store.sink(self.app, number, stream) for stream in Stream]
            outputs = open_output(around, str(self.runs), f"run{number}", sinks, Tail())
            for stream, output in zip(Stream, outputs, strict=True):
                self.kept[f"{number}{stream}"] = os.dup(output.pipe.writing)
                os.close(output.pipe.reading)
                os.close(output.pipe.writing)
        store.close()
        around.scratch.close()

    def say(self, data: bytes, stream: str = "0stdout") -> None:
        assert os.write(self.kept[stream], data) == len(data)

    def reopen(self, *kept: int | None, pid: int = 0) -> list[Output]:
        """What the next supervisor reads with; *kept* has been kept for it."""
        named = zip(kept_names("run0"), kept, strict=False)
        left = {name: descriptor for name, descriptor in named if descriptor is not None}
        around = self._around(Carrier(left))
        settle_marks(str(self.runs))
        store = LogStore(str(self.folder / "logs"), print)
        outputs = []
        for number in range(self.instances):
            sinks = [store.sink(self.app, number, stream) for stream in Stream]
            outputs += reopen_output(around, f"run{number}", sinks, Tail(), pid)
        return outputs

    def finish(self) -> None:
        """The next supervisor reads all that is left, and the run is over."""

        async def finish() -> None:
            outputs = self.reopen()
            with trio.fail_after(60):
                for output in outputs:
                    await output.finish()
            close(outputs)

        trio.run(finish)

    def in_a_process(self, work: Callable[[Sequence[Output]], object]) -> int:
        """The pid of a new reader that does *work*, and nothing after it."""
        return fork(lambda: in_trio(lambda: work(self.reopen())))

    def killed_at_line(self, number: int) -> int:
        """The pid of one that recovers and moves all there is, but dies before that line."""

        def work() -> None:
            _die_at_line(number)
            move_all(self.reopen())
            sys.settrace(None)

        return fork(lambda: in_trio(work))

    def _around(self, keepsakes: Keepsakes = NOTHING_KEPT) -> Surroundings:
        runs = str(self.runs)
        fake = SimpleNamespace(runs=runs, scratch=Scratch(), display=None, keepsakes=keepsakes)
        return cast("Surroundings", fake)

    def log(self) -> bytes:
        """All of it, from the oldest rotated file on."""
        path = self.folder / "logs" / "a.log"
        rotated = [each for each in path.parent.glob("a.log.*") if each.suffix != ".idx"]
        rotated.sort(key=lambda each: -int(each.suffix[1:]))
        return b"".join(each.read_bytes() for each in [*rotated, path] if each.exists())

    def close(self) -> None:
        for descriptor in self.kept.values():
            os.close(descriptor)


def in_trio(work: Callable[[], object]) -> None:
    """Do what is not asynchronous, but closes files that trio might wait for."""

    async def do() -> None:
        await trio.lowlevel.checkpoint()
        work()

    trio.run(do)


def close(outputs: Sequence[Output]) -> None:
    """All that a reader has open."""
    for scratch in {output.pipe._scratch for output in outputs}:
        scratch.close()
    for file in {output._sink.file for output in outputs}:
        if file is not None:
            file.close()
    for output in outputs:
        output.close()


def fork(work: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # idle threads of other tests
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:  # noqa: BLE001
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(status)
    _FORKED.add(pid)
    return pid


_FORKED: set[int] = set()
"""Whose end nobody has seen yet."""


def end_all() -> None:
    """Whatever became of the test: nothing of it is left."""
    for pid in tuple(_FORKED):
        os.kill(pid, signal.SIGKILL)
        ended(pid)


def move_all(outputs: Sequence[Output]) -> None:
    while _move_each(outputs):
        pass


def _move_each(outputs: Sequence[Output]) -> bool:
    """One piece of each; whether there was any."""
    return Progress.MOVED in [output.move() for output in outputs]


def read_for_ever(outputs: Sequence[Output], ready: int) -> None:
    os.write(ready, b"!")
    while True:
        if not _move_each(outputs):
            time.sleep(0.0001)


def _die_at_line(number: int) -> None:
    """SIGKILL before the *number*th line of ours that is executed from now on."""
    left = number

    def watch(frame: FrameType, event: str, _: object) -> object:
        nonlocal left
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return watch

    sys.settrace(watch)  # type: ignore[arg-type]


def ended(pid: int) -> int:
    """How a reader has ended: its exit code, or minus the signal that killed it."""
    status = os.waitpid(pid, 0)[1]
    _FORKED.discard(pid)
    return os.waitstatus_to_exitcode(status)
