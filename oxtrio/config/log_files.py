"""No two apps write to one log file: they would rotate it away from each other."""

from collections.abc import Iterable, Iterator
from posixpath import normpath

from oxtrio.config.entry import Entry
from oxtrio.config.expand import INSTANCE

DEVICES = "/dev/"
"""`/dev/stdout` and its like are never rotated: any number of apps may share them."""


def check_log_files(entries: Iterable[Entry]) -> None:
    """Note every log file that belongs to an earlier app already."""
    owners: dict[str, str] = {}
    for entry in entries:
        taken = {}
        for key, path in _log_paths(entry):
            owner = owners.setdefault(path, entry.app.name)
            if owner != entry.app.name:
                taken[key] = f"is the log file of {owner} too: {path}"
        for key, what in taken.items():
            entry.note(key, what)


def _log_paths(entry: Entry) -> Iterator[tuple[str, str]]:
    """Every log file of the app, with the key that names it."""
    logs = entry.app.logs
    for key, path in (("log_file", logs.file), ("error_log_file", logs.error_file)):
        if path is not None and not path.startswith(DEVICES):
            numbers = range(entry.app.instances) if INSTANCE in path else (0,)
            for number in numbers:
                yield key, normpath(path.replace(INSTANCE, str(number)))
