"""Held sockets of runs that outlived both their supervisor and its keeper."""

from collections.abc import Sequence
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
    await in_thread(partial(retrieve, list(holders.values()), keepsakes, steered=steered))
    runs: list[Record] = []
    for record in estate.runs:
        held = record.held
        if record.run_id in holders:
            held = tuple(holders[record.run_id].held.items())
        runs.append(_recorded(folder, record, held))
    return replace(estate, runs=tuple(runs))


def _is_served(record: Record) -> bool:
    return bool(record.held) and (record.is_alive or record.is_main_alive)


def _holder(record: Record) -> Holder:
    roots = [pid for pid in (record.pid, record.main_pid) if pid]
    return Holder(roots=roots, listens=record.listens, held=dict(record.held))


def _recorded(folder: str | None, record: Record, held: Sequence[tuple[str, int]]) -> Record:
    if tuple(held) == record.held:
        return record
    file = RecordFile.of(folder, record)
    file.update(held=tuple(held))
    return file.record
