"""Short names for specs and environments: another one has another name."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from oxtrio.model.plain import to_plain
from oxtrio.model.spec import AppSpec


@lru_cache(maxsize=1024)
def version_of(spec: AppSpec) -> str:
    """A short name for just this spec; the same in every version that knows no more of specs."""
    return _digest(to_plain(spec))[:8]


def version_of_environment(environ: Mapping[str, str]) -> str:
    """A short name for just these variables; nothing of them can be read from it."""
    return _digest(sorted(environ.items()))[:16]


def _digest(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
