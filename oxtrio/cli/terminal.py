"""What a stream can show, and how colour is written. The only place that knows of terminals."""

import shutil
import sys
from collections.abc import Mapping
from typing import TextIO

from oxtrio.cli.environment import environ

COLOURS = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}


def wants_colour(stream: TextIO, environ: Mapping[str, str] = environ) -> bool:
    """NO_COLOR says no, FORCE_COLOR says yes, else whether *stream* is a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def paint(text: str, colour: str, on: bool) -> str:
    """*text* in *colour*, or as it is where colours are off."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if on and colour else text


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size((80, 24)).columns


def height() -> int:
    """Lines of the terminal."""
    return shutil.get_terminal_size((80, 24)).lines


def cut(text: str, columns: int) -> str:
    """*text*, at most *columns* wide; what is left out shows as `…`."""
    return text if len(text) <= columns else text[: max(columns - 1, 0)].rstrip() + "…"


def plain(text: str) -> str:
    """*text* on one line, without anything that steers a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def note(kind: str, text: str) -> None:
    """One `error: …`, `hint: …` or `warning: …` line on stderr."""
    colour = {"error": "red", "warning": "yellow", "hint": "cyan"}.get(kind, "")
    on = wants_colour(sys.stderr)
    print(f"{paint(f'{kind}:', colour, on)} {plain(text)}", file=sys.stderr, flush=True)
