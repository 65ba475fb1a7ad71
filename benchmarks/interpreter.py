"""Python as an installed program meets it, and what its mere start costs."""

import compileall
import os
import subprocess
import sys
import time
from pathlib import Path

import oxtrio

_FOREIGN = ("OXTRIO_", "OXMGR_", "PYTHON")


def plain_environ() -> dict[str, str]:
    """The environment without what would make one side behave otherwise than for its users.

    Servers of the web are those of this Python, for all sides.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"NO_COLOR": "1", "PATH": path}


def compile_ours() -> None:
    """Bytecode for oxtrio, which an installation has and a fresh clone has not."""
    for folder in oxtrio.__path__:
        compileall.compile_dir(folder, quiet=1)


def run_time(code: str) -> float:
    """Seconds that `python -c CODE` takes."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=plain_environ())
    return time.monotonic() - began
