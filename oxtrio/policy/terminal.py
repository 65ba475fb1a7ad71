"""What a terminal is shown of bytes that nobody vouches for."""

import re
from zlib import crc32

_SGR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
# C0 but tab, DEL, C1, line and paragraph separators, all that turns the direction of text.
_UNSAFE = "\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_HARM = re.compile(f"[{_UNSAFE}]")
_COLOUR_OR_HARM = re.compile(f"({_SGR.pattern})|[{_UNSAFE}]")
_RESET = "\x1b[0m"
_NAMED = {"\n": "\\n", "\r": "\\r"}
# No red, which is for errors, and nothing that is unreadable on black or white.
_PALETTE = ("36", "33", "32", "35", "34", "96")


def safe_text(data: bytes) -> str:
    """One line, with its own colours and nothing else that a terminal would obey.

    Invalid UTF-8 shows as U+FFFD, control characters as escapes such as `\\x1b`; a carriage
    return at the end is left out. Colours end with the line.
    """
    text = _decoded(data)
    if not _HARM.search(text):
        return text
    shown = _COLOUR_OR_HARM.sub(_colour_or_escape, text)
    return shown + _RESET if "\x1b" in shown else shown


def plain_text(data: bytes) -> str:
    """One line as `safe_text` shows it, without colours."""
    text = _decoded(data)
    if not _HARM.search(text):
        return text
    return _HARM.sub(_escape, _SGR.sub("", text))


def prefix(name: str, width: int, colour: int | None) -> str:
    """`api     | `: *name*, padded to *width*, in front of a line of its output.

    *colour* is a number from 0 on, or True for one that depends on the name alone; None or
    False: no colour.
    """
    padded = f"{name:<{width}} |"
    if colour is None or colour is False:
        return f"{padded} "
    number = crc32(name.encode()) if colour is True else colour
    return f"\x1b[{_PALETTE[number % len(_PALETTE)]}m{padded}{_RESET} "


def _decoded(data: bytes) -> str:
    return data.removesuffix(b"\r").decode("utf-8", "replace")


def _colour_or_escape(found: re.Match[str]) -> str:
    return found[1] or _escape(found)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
