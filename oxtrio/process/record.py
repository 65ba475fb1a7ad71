"""One small file per run: what the next supervisor must know, should this one die by force.

Written before the spawn, completed after it, and again where something changes that the next
one must know; by rename without fsync, as it is the process that dies, not the machine.
(boot id, pid, start time) is the identity of a run.

    RecordFile(folder, record)          # writes it; RecordFile.of(folder, record): it is there
    file.spawned(pid, started)
    file.update(ready=True, ...)        # written only where it makes a difference
    finished.add(file)                  # the run is over: it goes when state.json knows that
    for path, record in records_in(folder)   # record is None where nothing can be made of it
"""

import contextlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from oxtrio.errors import ProtocolError
from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.spec import ListenSpec
from oxtrio.system.proc import ProcessStat, boot_id, stat_of

LARGEST_RECORD = 1 << 20


def boot_seconds() -> float:
    """Seconds since the machine was started, sleep included; no clock that is set changes it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is kept of a run. A field that a later version adds has a default."""

    run_id: str
    name: str
    """What `status` calls its instance."""
    boot_id: str
    stop_signal: int
    stop_timeout: float
    app: str = ""
    instance: int = 0
    pid: int = 0
    """The leader; 0 until it is spawned."""
    started: int = 0
    """Its start time in clock ticks since boot."""
    main_pid: int = 0
    """The main process, where the run named one (`MAINPID`); else 0."""
    main_started: int = 0
    spawned_at: float = 0.0
    """Wall time, for showing."""
    spawned_after: float = 0.0
    """`boot_seconds` of the spawn, for reckoning."""
    version: str = ""
    """Of the spec that it was launched with (policy/versions.py)."""
    environment: str = ""
    """Version of the variables that it was launched with, as far as they were inherited."""
    held: tuple[tuple[str, int], ...] = ()
    """Its slots: the address (`str(ListenSpec)`), and the index in the group of it."""
    listens: tuple[ListenSpec, ...] = ()
    """The addresses in full, in the order of its descriptors."""
    newcomer: bool = False
    """On trial beside the run that it shall replace."""
    ready: bool = False
    unhealthy: bool = False
    said: str = ""
    """What it says of itself."""
    counts: tuple[int, int, int] | None = None
    """Of its instance, when it was spawned: restarts, failures and ends in a row."""
    status: int | None = None
    """The wait status with which it ended, where that is known."""
    ended_after: float = 0.0
    """`boot_seconds` of that; 0 where nobody knows."""
    seen: tuple[tuple[int, int], ...] = ()
    """Pids and start times of its descendants; only in what one program hands on to the next."""

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot_id == boot_id()

    @property
    def is_alive(self) -> bool:
        """Whether just this process still runs."""
        return self._lives(self.pid, self.started)

    @property
    def is_main_alive(self) -> bool:
        """Whether a main process was named, and just that still runs."""
        return self._lives(self.main_pid, self.main_started)

    @property
    def has_run(self) -> bool:
        """Whether it was spawned since the machine was started; it may have ended."""
        return self.pid > 1 and self.is_of_this_boot

    @property
    def age(self) -> float:
        """Seconds since the spawn; meant for runs of this boot."""
        return max(0.0, boot_seconds() - self.spawned_after)

    @property
    def ended_ago(self) -> float:
        """Seconds since its end, which perhaps another supervisor has seen; 0 where not known."""
        return max(0.0, boot_seconds() - self.ended_after) if self.ended_after else 0.0

    def _lives(self, pid: int, started: int) -> bool:
        stat: ProcessStat | None = stat_of(pid) if pid > 1 else None
        same = stat is not None and not stat.dead and stat.started == started
        return same and self.is_of_this_boot


class RecordFile:
    """The file of one run; without a folder nothing is kept."""

    def __init__(self, folder: str | None, record: Record, *, written: bool = False) -> None:
        self.record = record
        self._path = os.path.join(folder, f"{record.run_id}.json") if folder else None
        self.trouble = ""
        """Why it is not as it should be."""
        if not written:
            self._write()

    @classmethod
    def of(cls, folder: str | None, record: Record) -> "RecordFile":
        """The file of a run that an earlier supervisor has recorded."""
        return cls(folder, record, written=True)

    def spawned(self, pid: int, started: int) -> None:
        """Complete it: it has just been spawned."""
        now, after = time.time(), boot_seconds()
        self.update(pid=pid, started=started, spawned_at=now, spawned_after=after)

    def ended(self, status: int) -> None:
        """It has just ended, and is about to be reaped."""
        self.update(status=status, ended_after=boot_seconds())

    def update(self, **changes: object) -> None:
        """Some fields are different now. What it says of itself goes along with the next one."""
        before, self.record = self.record, replace(self.record, **changes)  # type: ignore[arg-type]
        if replace(before, said=self.record.said) != self.record:
            self._write()

    def write_again(self) -> None:
        """Where it is not as it should be, make it so, if there is room by now."""
        if self.trouble:
            self._write()

    def remove(self) -> None:
        """Nothing of the run is left."""
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _write(self) -> None:
        # A full or vanished folder costs the memory of this run, not the run.
        if self._path is None:
            return
        text = json.dumps(to_plain(self.record, sparse=True)).encode()
        new = f"{self._path}.new"
        self.trouble = "no room"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(new, flags, 0o600)
            try:
                whole = os.write(descriptor, text) == len(text)
            finally:
                os.close(descriptor)
            if whole:
                os.replace(new, self._path)
                self.trouble = ""
        except OSError as error:
            self.trouble = (error.strerror or str(error)).lower()


class Finished:
    """Records of runs that are over, until somebody else remembers how they ended.

    Where nobody else remembers anything, there is nothing to wait for.
    """

    def __init__(self) -> None:
        self.is_remembered = False
        """Somebody takes them, and removes them when it is done."""
        self._files: list[RecordFile] = []

    def add(self, file: RecordFile) -> None:
        """Nothing of its run is left."""
        if self.is_remembered:
            self._files.append(file)
        else:
            file.remove()

    def take(self) -> list[RecordFile]:
        """All up to now; the caller removes them."""
        taken, self._files = self._files, []
        return taken


def records_in(folder: str) -> Iterator[tuple[str, Record | None]]:
    """Path and content of every record in *folder*; None for one that cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".json"):
            path = os.path.join(folder, name)
            yield path, _read(path)


def _read(path: str) -> Record | None:
    try:
        with open(path, "rb") as file:
            return record_of(file.read(LARGEST_RECORD))
    except OSError:
        return None


def record_of(raw: bytes) -> Record | None:
    """The record that *raw* is; None where it is none, whatever it is."""
    try:
        record = from_plain(Record, json.loads(raw), strict=False)
    except (ValueError, RecursionError, ProtocolError):
        return None
    numbers = (record.pid, record.started, record.main_pid, record.main_started, record.instance)
    times = (
        record.stop_timeout,
        record.spawned_at,
        record.spawned_after,
        record.ended_after,
    )
    right = all(0 <= number < 1 << 63 for number in numbers)
    right = right and all(0 <= seconds < math.inf for seconds in times)
    right = right and record.stop_signal in signal.valid_signals()
    # It is part of names of files.
    return record if right and record.run_id.isalnum() and record.run_id.isascii() else None
