"""Which release this is, as the file `release` said when the app was loaded."""

import os
from pathlib import Path

RELEASE = Path("release").read_text().strip()
IS_UNHEALTHY = RELEASE == "unhealthy"
IS_SILENT = RELEASE == "silent"

if RELEASE == "exits":
    raise ImportError("this release does not even load")


def who() -> dict[str, object]:
    return {"release": RELEASE, "pid": os.getpid()}
