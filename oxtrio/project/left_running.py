"""Whether a supervisor that died by force has left runs behind."""

import json
from contextlib import suppress
from pathlib import Path

from oxtrio.project.folders import Folders


def has_left_running(where: Folders) -> bool:
    """Whether a leader of a recorded run still lives: just that process, by its start time."""
    return where.runs is not None and any(map(_lives, Path(where.runs).glob("*.json")))


def _lives(path: Path) -> bool:
    with suppress(OSError, ValueError, KeyError, IndexError):
        record = json.loads(path.read_text())
        text = Path(f"/proc/{int(record['pid'])}/stat").read_text()
        fields = text.rpartition(")")[2].split()  # proc_pid_stat(5): the name may hold anything
        return fields[0] not in "ZX" and int(fields[19]) == record["started"]
    return False
