"""wrk, where the system has it: a load generator that costs less than the server."""

import re
import shutil
import subprocess

from benchmarks.failure import Failed

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def is_there() -> bool:
    return shutil.which("wrk") is not None


def drive(url: str, *, keep_alive: bool, seconds: float) -> tuple[float, float, float]:
    """Answers per second; the median and the 99th percentile of the latency in seconds.

    Raises `Failed` where a request fails.
    """
    command = ["wrk", "-t1", "-c8", f"-d{seconds:g}s", "--timeout", "10s", "--latency"]
    close = [] if keep_alive else ["-H", "Connection: close"]
    done = subprocess.run([*command, *close, url], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Failed(f"wrk ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return read(done.stdout)


def read(said: str) -> tuple[float, float, float]:
    """The same of what wrk prints."""
    if wrong := re.search(r"(Socket errors|Non-2xx).*", said):
        raise Failed(f"wrk: {wrong[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise Failed(f"wrk says nothing: {said[-200:]}")
    return float(rate[1]), _latency(said, 50), _latency(said, 99)


def _latency(said: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)", said, re.MULTILINE)
    if found is None:
        raise Failed(f"wrk does not say how long {percent} % of the requests took")
    return float(found[1]) * _UNITS[found[2]]
