"""What the figures were measured on: nothing that names this very machine."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """One line: processor, memory, kernel, the versions that matter, and what else went on."""
    cpus = len(os.sched_getaffinity(0))
    return (
        f"{_processor()}, {cpus} CPUs, {_memory()} GiB; Linux {_kernel()}; "
        f"Python {platform.python_version()}, Trio {version('trio')}; "
        f"load average when it began {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return round(int(found[1]) / 2**20) if found else 0


def _kernel() -> str:
    """Without what follows the numbers, which may name who built it."""
    found = re.match(r"[\d.]+", platform.release())
    return found[0].rstrip(".") if found else platform.release()
