"""The least that a supervisor can do, with nothing around it: the floor of the other figures.

Usage: plain.py APPS, a JSON file: {name: {"argv": […], "log": path, "restarts": bool}}. Starts all,
starts again what ends, and at SIGTERM asks all to end and waits for them.
"""

import json
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

Specs = dict[str, dict[str, Any]]


def start(spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    with open(spec["log"], "ab") as log:
        return subprocess.Popen(
            spec["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)


def serve(specs: Specs, running: dict[int, str]) -> None:
    for name, spec in specs.items():
        running[start(spec).pid] = name
    while True:
        pid, _ = os.wait()
        name = running.pop(pid)
        if specs[name]["restarts"]:
            running[start(specs[name]).pid] = name


def main() -> None:
    signal.signal(signal.SIGTERM, leave)
    with open(sys.argv[1]) as file:
        specs = json.load(file)
    running: dict[int, str] = {}
    try:
        serve(specs, running)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        for pid in running:
            os.waitpid(pid, 0)


main()
