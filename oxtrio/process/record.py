"""One small file per run: what the next supervisor must know, should this one die by force.

Written before the spawn and completed after it, by rename without fsync: it is the process
that dies, not the machine. (boot id, pid, start time) is the identity of a run.
"""

import contextlib
import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

from oxtrio.system.proc import boot_id, stat_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is kept of a run."""

    run_id: str
    name: str
    boot_id: str
    stop_signal: int
    stop_timeout: float
    pid: int = 0
    """0 until it is spawned."""
    started: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether just this process still runs."""
        stat = stat_of(self.pid) if self.pid > 1 else None
        same = stat is not None and not stat.dead and stat.started == self.started
        return same and self.boot_id == boot_id()


class RecordFile:
    """The file of one run; without a folder nothing is kept."""

    def __init__(self, folder: str | None, record: Record) -> None:
        self._path = os.path.join(folder, f"{record.run_id}.json") if folder else None
        self._record = record
        self._write()

    def spawned(self, pid: int, started: int) -> None:
        """Complete it."""
        self._record = replace(self._record, pid=pid, started=started)
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
        fields = {name: getattr(self._record, name) for name in Record.__slots__}
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            descriptor = os.open(f"{self._path}.new", flags, 0o600)
            try:
                os.write(descriptor, json.dumps(fields).encode())
            finally:
                os.close(descriptor)
            os.replace(f"{self._path}.new", self._path)


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
        with open(path) as file:
            record = Record(**json.loads(file.read(65536)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    numbers = (record.pid, record.started, record.stop_signal)
    names = (record.run_id, record.name, record.boot_id)
    right = all(isinstance(each, int) for each in numbers)
    right = right and all(isinstance(each, str) for each in names)
    timeout = record.stop_timeout
    right = right and isinstance(timeout, int | float) and 0 <= timeout < math.inf
    return record if right and record.stop_signal in signal.valid_signals() else None
