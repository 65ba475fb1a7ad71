"""Runs of which nobody has kept a record: the disk was full when they began.

What they find in their environment says whose they are. Only those of just this place count: the
path of a control socket may mean another one in a container.
"""

import signal
from collections.abc import Collection, Iterable

from oxtrio.process.record import Record
from oxtrio.process.standing import Standing
from oxtrio.system.birthmark import birthmark, birthmark_of
from oxtrio.system.containment import MARKER
from oxtrio.system.proc import all_pids, boot_id, environ_of, is_in_our_world, stat_of

PATIENCE = 5.0
"""Seconds for one of which nobody knows what it was given."""


def unrecorded_runs(socket: str, known: Collection[str]) -> list[Record]:
    """What serves the project at *socket*, and is none of the *known* runs.

    To be asked before there is a new supervisor. It looks at every process: in a thread.
    """
    found: dict[str, Record] = {}
    for pid in all_pids():
        stat = stat_of(pid)
        if stat is None or stat.dead or stat.session != pid:
            continue  # not the leader of a run
        record = _run_of(pid, stat.started, socket)
        if record is not None and record.run_id not in known:
            found.setdefault(record.run_id, record)
    return list(found.values())


def _run_of(pid: int, started: int, socket: str) -> Record | None:
    given = environ_of(pid)
    run_id = given.get(MARKER.encode(), b"").decode(errors="replace").rpartition(":")[2]
    if given.get(b"OXTRIO_SOCKET", b"") != socket.encode() or not run_id.isalnum():
        return None
    # It is born with the mark, which a program that only has the variables has not.
    if birthmark_of(pid) != birthmark(run_id) or not is_in_our_world(pid):
        return None
    return Record(
        run_id=run_id,
        name=given.get(b"OXTRIO_NAME", b"an app").decode(errors="replace"),
        boot_id=boot_id(),
        stop_signal=signal.SIGTERM,
        stop_timeout=PATIENCE,
        pid=pid,
        started=started,
    )


def record_again(instances: Iterable[Standing]) -> dict[str, str]:
    """Write the records that could not be written; what is wrong with those that still cannot."""
    files = {each.name: each.run.record for each in instances if each.run is not None}
    for file in files.values():
        file.write_again()
    return {name: file.trouble for name, file in files.items() if file.trouble}


def without_record(instances: Iterable[Standing]) -> tuple[str, ...]:
    """Whose runs would not be known after a crash, in a sentence; nothing where all are."""
    troubles = record_again(instances)
    if not troubles:
        return ()
    names, why = ", ".join(troubles), next(iter(troubles.values()))
    return (f"cannot record {names} ({why}): a crash of oxtrio would begin them anew",)
