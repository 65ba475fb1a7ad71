"""The two sinks of an instance, kept open from run to run."""

from collections.abc import Sequence

from oxtrio.logs.sink import Sink
from oxtrio.logs.store import LogStore
from oxtrio.model.log import Stream
from oxtrio.model.spec import AppSpec, LogSpec


class Sinks:
    """Opened for the first run, reopened only where the oxfile says something else."""

    def __init__(self, logs: LogStore, number: int) -> None:
        self._logs = logs
        self._number = number
        self._opened: list[Sink] = []
        self._opened_as: LogSpec | None = None

    def of(self, spec: AppSpec) -> Sequence[Sink]:
        """Where the output of *spec* goes: stdout first, then stderr."""
        if self._opened_as != spec.logs:
            self.release()
            self._opened = [
                self._logs.sink(spec, self._number, stream)
                for stream in (Stream.STDOUT, Stream.STDERR)
            ]
            self._opened_as = spec.logs
        return self._opened

    def release(self) -> None:
        """Close them, as far as nobody else writes to the same files."""
        for sink in self._opened:
            self._logs.release(sink)
        self._opened, self._opened_as = [], None
