"""Apps that write, and what of it is in their logs."""

from tests.e2e.kit import FIXTURES, PYTHON

NUMBERED = f"{PYTHON} {FIXTURES}/numbered.py"
TICKING = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done"
TALKING = TICKING.replace("echo $i", "echo $i " + "x" * 60)
"""Fills a log sooner."""


def app(name: str, command: str, keys: str = "") -> str:
    """The part of the oxfile of an app that is up at once."""
    return f"[processes.{name}]\ncommand = '''{command}'''\nstart_secs = 0\n{keys}\n"


def numbers(text: str) -> list[int]:
    """What the lines begin with."""
    return [int(line.split()[0]) for line in text.splitlines()]
