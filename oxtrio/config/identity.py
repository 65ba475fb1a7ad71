"""Whom an app runs as, and what it may use of the system."""

import re

from oxtrio.config.fields import Fields
from oxtrio.config.keys import Key
from oxtrio.config.tables import app as keys
from oxtrio.config.tables.limits import MAX_OPEN_FILES, RLIMITS
from oxtrio.config.values import UNLIMITED
from oxtrio.model.spec import IdentitySpec

ONLY_ROOT = "start oxtrio as root, or remove it"


def read_identity(app: Fields) -> IdentitySpec:
    """The identity of *app*; what this process may not set is a problem."""
    for key in (keys.USER, keys.GROUP, keys.GROUPS):
        if app.has(key) and not app.oxfile.facts.root:
            app.note(key, "can only be set by root", ONLY_ROOT)
    return IdentitySpec(
        user=app.take(keys.USER),
        group=app.take(keys.GROUP),
        groups=app.take(keys.GROUPS),
        umask=read_umask(app),
        nice=_unprivileged(app, keys.NICE),
        oom_score_adj=_unprivileged(app, keys.OOM_SCORE_ADJ),
        rlimits=_rlimits(app),
    )


def read_umask(fields: Fields) -> int | None:
    """The mask; a bare number is taken only where it is visibly octal.

    `umask = 22` would be 0o026, which nobody means.
    """
    mask = fields.take(keys.UMASK_KEY)
    text = fields.written(keys.UMASK_KEY) if mask is not None else ""
    if re.search(r"umask[\"']?\s*=\s*[+1-9]", text):
        fields.note(keys.UMASK_KEY, "must be octal", 'as "022" or 0o022')
    return mask


def _unprivileged(app: Fields, key: Key[int | None]) -> int | None:
    value = app.take(key)
    if value is not None and value < 0 and not app.oxfile.facts.root:
        app.note(key, "below 0 can only be set by root", ONLY_ROOT)
    return value


def _rlimits(app: Fields) -> tuple[tuple[str, int, int], ...]:
    """Sorted by name; `max_open_files` is one of them."""
    table = app.inner(keys.RLIMITS_KEY)
    found = []
    for key in RLIMITS.keys:
        limit = table.take(key)
        if isinstance(limit, tuple):
            soft, hard = limit
            _check_ceiling(table, key, key.name, hard)
            found.append((key.name, soft, hard))
    older = app.inner(keys.RESOURCE_LIMITS_KEY)
    files = older.take(MAX_OPEN_FILES)
    if files is not None:
        if any(name == "nofile" for name, _, _ in found):
            older.note(MAX_OPEN_FILES, "is the same as nofile in rlimits: keep one of them")
        _check_ceiling(older, MAX_OPEN_FILES, "nofile", files)
        found.append(("nofile", files, files))
    return tuple(sorted(found))


def _check_ceiling(table: Fields, key: Key[object], name: str, hard: int) -> None:
    facts = table.oxfile.facts
    ceiling = facts.rlimits.get(name, UNLIMITED)
    if facts.root or ceiling == UNLIMITED or UNLIMITED < hard <= ceiling:
        return
    table.note(key, f"is above {ceiling}, the hard limit that oxtrio itself has")
