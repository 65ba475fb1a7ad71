"""What to write into an oxfile so that the address of a server can be held."""

import re
from typing import Final

from oxtrio.policy.mentions import Command, as_text, mentioned

ACTIVATED: Final = re.compile(r"(?:\bsource|\.)\s+(?P<venv>[^\s;&|'\"$]+)/bin/activate\b")
CHANGED: Final = re.compile(r"\bcd\s+(?P<folder>[^\s;&|'\"$]+)")
WITH_VENV: Final = re.compile(r"\b(?:poetry|pipenv|pdm|hatch|rye)\s+run\s")
END: Final = re.compile(r"[;&|()`\n]|\s\d*>")
APP: Final = re.compile(r"\b[A-Za-z_][\w.]*:[A-Za-z_]\w*")

BY_DESCRIPTOR: Final = {
    "uvicorn": "uvicorn {app} --fd ${{fd}}",
    "gunicorn": "gunicorn {app} --bind fd://${{fd}}",
    "hypercorn": "hypercorn {app} --bind fd://${{fd}}",
}


def held_by_hand(server: str, command: Command) -> str:
    """The lines that hold an address which oxtrio does not find in *command*."""
    found = APP.search(as_text(command))
    app = found[0] if found else "main:app"
    if server not in BY_DESCRIPTOR:
        return f'another server, such as command = "hypercorn {app} --bind 127.0.0.1:8000"'
    said = BY_DESCRIPTOR[server].format(app=app)
    return f'listen = "127.0.0.1:8000" with your address, and command = "{said}"'


def server_alone(_: str, command: Command) -> str:
    """The lines that start the server in *command* without what stands in front of it."""
    text = as_text(command)
    lines = []
    if changed := CHANGED.search(text):
        lines.append(f'working_dir = "{changed["folder"]}"')
    if activated := ACTIVATED.search(text):
        lines.append(f'venv = "{activated["venv"]}"')
    elif WITH_VENV.search(text):
        lines.append('venv = ".venv"')
    _, start = mentioned(command) or ("", 0)
    said = END.split(_within_quotes(text, start))[0].strip()
    escaped = said.replace("\\", "\\\\").replace('"', '\\"')
    return " and ".join([*lines, f'command = "{escaped}"'])


def _within_quotes(text: str, start: int) -> str:
    """What follows *start*, up to the end of the quotes around it."""
    quote = ""
    for character in text[:start]:
        if character in "\"'" and quote in ("", character):
            quote = "" if quote else character
    return text[start:].partition(quote)[0] if quote else text[start:]
