"""What a supervisor that died by force has left running: ended before anything new starts."""

import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import trio

from oxtrio.process.record import Record, records_in
from oxtrio.supervisor.unrecorded import PATIENCE, unrecorded_runs
from oxtrio.system.birthmark import birthmark, birthmark_of
from oxtrio.system.cgroup import cgroup_of
from oxtrio.system.containment import MARKER, send, wait_gone
from oxtrio.system.proc import ProcessStat, all_pids, boot_id, environ_of, stat_of
from oxtrio.system.threads import in_thread

KILL_AFTER = 5.0
"""Seconds after SIGKILL at which what is still there is given up."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was found and ended."""

    names: tuple[str, ...]
    survivors: tuple[int, ...]


async def end_leftovers(
    folder: str, spared: Collection[str] = (), socket: str | None = None
) -> Leftovers:
    """End every run that an earlier supervisor recorded in *folder*, all side by side.

    Those whose run id is in *spared* go on, and all that is kept of them. *socket* is where the
    project is served: what it could not record is ended, too.

    Each gets its own stop signal and patience, then SIGKILL to all of it. Cancelling leaves
    the rest running, and recorded.
    """
    found = [record or _unreadable(path) for path, record in records_in(folder)]
    known = [each for each in found if each is not None]
    runs = [each for each in known if each.run_id not in spared]
    if socket is not None:
        recorded = frozenset(each.run_id for each in known)
        runs += await in_thread(unrecorded_runs, socket, recorded)
    living = await in_thread(_members, runs)
    survivors: list[int] = []
    async with trio.open_nursery() as nursery:
        for record in runs:
            if living.get(record.run_id):
                nursery.start_soon(_end, record, living[record.run_id], survivors)
    _tidy(folder, spared)
    names = tuple(dict.fromkeys(run.name for run in runs if living.get(run.run_id)))
    return Leftovers(names, tuple(survivors))


def _unreadable(path: str) -> Record | None:
    """What is known of a run whose record says nothing: its id, which is its mark, too."""
    run_id = os.path.basename(path).removesuffix(".json")
    if not (run_id.isalnum() and run_id.isascii()):
        return None
    return Record(
        run_id=run_id,
        name="an app (its record cannot be read)",
        boot_id=boot_id(),
        stop_signal=signal.SIGTERM,
        stop_timeout=PATIENCE,
    )


def _members(records: Sequence[Record]) -> dict[str, list[ProcessStat]]:
    """Who belongs to which run: the leader, its session, and all that have a mark of it."""
    ids = {record.run_id for record in records}
    leaders = {record.pid: record.run_id for record in records if record.is_alive}
    birthmarks = {birthmark(each): each for each in ids}
    found: dict[str, list[ProcessStat]] = {}
    for pid in all_pids() if ids else ():
        stat = stat_of(pid)
        if stat is None or stat.dead or pid == os.getpid():
            continue
        markers = environ_of(pid).get(MARKER.encode(), b"").decode(errors="replace").split(":")
        markers += (cgroup_of(pid) or "").split("/")
        mine = leaders.get(pid) or leaders.get(stat.session) or next(iter(ids & {*markers}), None)
        mine = mine or birthmarks.get(birthmark_of(pid) or 0)
        if mine:
            found.setdefault(mine, []).append(stat)
    return found


async def _end(record: Record, members: list[ProcessStat], survivors: list[int]) -> None:
    leaders = [stat for stat in members if stat.pid == record.pid]
    _tell(leaders, record.stop_signal)
    with trio.move_on_after(record.stop_timeout):
        await _wait_gone(leaders)
        # Workers are told by their master; where it is gone, nobody else will.
        _tell([stat for stat in members if stat not in leaders], record.stop_signal)
        await _wait_gone(members)
    for stat in members:
        send(stat, signal.SIGKILL)
    with trio.move_on_after(KILL_AFTER):
        await _wait_gone(members)
    survivors.extend(stat.pid for stat in members if _lives(stat))


def _tell(members: Sequence[ProcessStat], number: int) -> None:
    for stat in members:
        send(stat, number)
        send(stat, signal.SIGCONT)


async def _wait_gone(members: Sequence[ProcessStat]) -> None:
    for stat in members:
        await wait_gone(stat)


def _lives(stat: ProcessStat) -> bool:
    now = stat_of(stat.pid)
    return now is not None and not now.dead and now.started == stat.started


def _tidy(folder: str, spared: Collection[str]) -> None:
    """Pipes, marks and records of runs that are over."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.partition(".")[0] in spared:
                continue
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
