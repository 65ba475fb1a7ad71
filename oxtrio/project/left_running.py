"""What a supervisor that died by force has left behind: runs, and the keeper that starts it."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from oxtrio.project.folders import Folders


def has_left_running(where: Folders) -> bool:
    """Whether a leader of a recorded run still lives: just that process, by its start time."""
    return where.runs is not None and any(map(_lives, Path(where.runs).glob("*.json")))


def hurry_keeper(where: Folders) -> None:
    """A keeper that waits before it starts the supervisor again does it now, as if it were new."""
    if where.keeper_lock is None or not where.is_kept:
        return
    with suppress(OSError, ValueError):
        # A signal that does no harm to whoever else may have this pid by now.
        os.kill(int(Path(where.keeper_lock).read_text()), signal.SIGCONT)


def _lives(path: Path) -> bool:
    with suppress(OSError, ValueError, KeyError, IndexError):
        record = json.loads(path.read_text())
        text = Path(f"/proc/{int(record['pid'])}/stat").read_text()
        fields = text.rpartition(")")[2].split()  # proc_pid_stat(5): the name may hold anything
        return fields[0] not in "ZX" and int(fields[19]) == record["started"]
    return False
