"""What a supervisor tells the program that takes its place: all that it knows, as one text."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oxtrio.errors import OxtrioError, ProtocolError
from oxtrio.model.log import Chunk, LogLine, Stream
from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.status import Event
from oxtrio.process.record import Record
from oxtrio.process.run import Run
from oxtrio.supervisor.remembered import FORMAT as MEMORY_FORMAT
from oxtrio.supervisor.remembered import Remembered, Versions
from oxtrio.supervisor.remembering import remember
from oxtrio.system.owner import Expected

if TYPE_CHECKING:
    from oxtrio.supervisor.supervisor import Supervisor

FORMAT = 1
"""Raised where an older oxtrio would misread what is written; new fields alone do not."""

Said = tuple[str, int, str, float, str]
"""Output: app, instance, stream, wall time, and the bytes as Latin-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """All of it. What a crash leaves in files is here too: nothing has to be looked for."""

    format: int = FORMAT
    version: str
    """Of the program that wrote it."""
    started_at: str
    """When the supervisor was started, as it shows it."""
    upgrades: int = 0
    """How often a program has taken the place of another one before."""
    remembered: Remembered
    runs: tuple[Record, ...] = ()
    exits: tuple[tuple[int, int], ...] = ()
    """Wait statuses of leaders that have ended, and left processes."""
    inherited: tuple[int, ...] = ()
    strangers: bool = False
    file_limit: tuple[int, int]
    """RLIMIT_NOFILE as runs get it: soft, hard."""
    descriptors: tuple[tuple[str, int], ...] = ()
    """What stays open, by name."""
    events: tuple[Event, ...] = ()
    begun: tuple[Said, ...] = ()
    """Lines that are shown when they end."""
    recent: tuple[Said, ...] = ()
    """The last output of apps of which not all is in files."""

    @property
    def expected(self) -> Expected:
        """What the reaper must know."""
        pids = frozenset(record.pid for record in self.runs)
        return Expected(
            pids=pids,
            exits=dict(self.exits),
            inherited=frozenset(self.inherited),
            strangers=self.strangers,
        )

    @property
    def lines(self) -> Iterator[LogLine]:
        """The lines that had begun to be shown."""
        for app, instance, stream, at, data in self.begun:
            yield LogLine(at, app, instance, Stream(stream), data.encode("latin-1"))

    @property
    def chunks(self) -> Iterator[Chunk]:
        """The last output of each app."""
        for app, instance, stream, at, data in self.recent:
            yield Chunk(at, app, instance, Stream(stream), data.encode("latin-1"))

    def descriptor(self, name: str) -> int | None:
        """The descriptor of this name, or None."""
        return dict(self.descriptors).get(name)

    def named(self, prefix: str) -> Mapping[str, int]:
        """Descriptors whose name begins with *prefix*, by the rest of it."""
        there = len(prefix)
        return {name[there:]: each for name, each in self.descriptors if name.startswith(prefix)}


def describe(
    supervisor: "Supervisor", expected: Expected, file_limit: tuple[int, int], version: str
) -> Handover:
    """What *supervisor* is at this moment; descriptors and what is shown are added later."""
    assert supervisor.identity is not None
    runs = live_runs(supervisor)
    known = {run.child.pid: run.child.status for run in runs}
    told = dict(expected.exits)
    told |= {pid: status for pid, status in known.items() if status is not None}
    return Handover(
        version=version,
        started_at=supervisor.identity.started_at,
        upgrades=supervisor.identity.upgrades,
        remembered=remember(supervisor, Versions()),
        runs=tuple(replace(run.record.record, seen=tuple(run.kin.seen)) for run in runs),
        exits=tuple(told.items()),
        inherited=tuple(expected.inherited),
        strangers=expected.strangers,
        file_limit=file_limit,
        events=supervisor.events(),
        recent=said(supervisor.around.logs.recent()),
    )


def said(output: Iterable[LogLine | Chunk]) -> tuple[Said, ...]:
    """*output* as it is handed on."""
    return tuple(
        (each.app, each.instance, each.stream.value, each.at, each.data.decode("latin-1"))
        for each in output
    )


def live_runs(supervisor: "Supervisor") -> list[Run]:
    """Every run of which something is left."""
    return [each.life.run for each in supervisor.instances() if each.life and each.life.run]


def text_of(handover: Handover) -> bytes:
    """What is handed on."""
    return json.dumps(to_plain(handover), separators=(",", ":")).encode()


def handover_of(text: bytes) -> Handover:
    """What *text* says. Raises `OxtrioError` where this program cannot go on with it."""
    try:
        found: Handover = from_plain(Handover, json.loads(text), strict=False)
    except (ValueError, ProtocolError, RecursionError) as error:
        raise OxtrioError(f"cannot read what the running supervisor hands on: {error}") from None
    if found.format > FORMAT or found.remembered.format > MEMORY_FORMAT:
        raise OxtrioError(
            f"oxtrio {found.version} runs, and hands on what this version does not know yet",
            f"install oxtrio {found.version} or a later one",
        )
    return found
