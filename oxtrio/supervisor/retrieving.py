"""Held sockets of runs that outlived both their supervisor and its keeper."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

import trio

from oxtrio.process.record import Record, RecordFile
from oxtrio.supervisor.adopting import Estate
from oxtrio.system.keepsakes import Keepsakes
from oxtrio.system.retrieval import Holder, retrieve
from oxtrio.system.threads import in_thread


async def retrieve_sockets(
    estate: Estate, folder: str | None, keepsakes: Keepsakes, *, steered: bool
) -> Estate:
    """*estate*, with what nobody had kept of its sockets among the *keepsakes*.

    *folder* has its records. What cannot be had is not held until the next run. Cancelling waits
    for what is under way.
    """
    holders = {record.run_id: _holder(record) for record in estate.runs if _is_served(record)}
    if not holders:
        await trio.lowlevel.checkpoint()
        return estate
    look = partial(retrieve, list(holders.values()), keepsakes, steered=steered)
    again = await in_thread(look)
    given = {run_id: holder.given for run_id, holder in holders.items()}
    runs = (_recorded(folder, each, again, given.get(each.run_id, {})) for each in estate.runs)
    return replace(estate, runs=tuple(runs))


def _is_served(record: Record) -> bool:
    return bool(record.held) and (record.is_alive or record.is_main_alive)


def _holder(record: Record) -> Holder:
    roots = [pid for pid in (record.pid, record.main_pid) if pid]
    return Holder(roots=roots, listens=record.listens, held=dict(record.held))


def _recorded(
    folder: str | None, record: Record, again: Collection[str], given: Mapping[str, int]
) -> Record:
    """*record* with its places as they are now; where it had none left, somebody else stands."""
    held = tuple(
        (name, given.get(name, place))
        for name, place in record.held
        if name in given or name not in again
    )
    if held == record.held:
        return record
    file = RecordFile.of(folder, record)
    file.update(held=held)
    return file.record
