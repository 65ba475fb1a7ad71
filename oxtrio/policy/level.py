"""How serious a line of output is, as far as its form tells."""

import json
import re
from typing import Any

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""From the least serious on."""

_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_ALIASES = {
    **{level: level for level in LEVELS},
    "verbose": "debug",
    "log": "info",
    "notice": "info",
    "success": "info",
    "warn": "warning",
    "err": "error",
    "severe": "error",
    "exception": "error",
    "crit": "critical",
    "fatal": "critical",
    "panic": "critical",
    "alert": "critical",
    "emerg": "critical",
    "emergency": "critical",
}
_PINO = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
_PYTHON = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_KEYS = ("level", "levelname", "severity", "lvl", "log.level", "log_level")

_HEAD = 400
"""Bytes in which a line says how serious it is."""
_JSON_MAX = 256 * 1024

_SGR = re.compile(rb"\x1b\[[0-9;:]*m")
_WORDS = (
    rb"(?:TRACE|DEBUG|VERBOSE|INFO|NOTICE|SUCCESS|WARNING|WARN|ERROR|ERR|SEVERE|EXCEPTION"
    rb"|CRITICAL|CRIT|FATAL|PANIC|ALERT|EMERG)"
)
_TIME = rb"[\[(]?\d[\d\s:.,TZ+/-]*(?:UTC|GMT|[A-Z]{3,4})?[\])]?[\s|:-]+"
_FORMS = (
    # INFO:     Started - ERROR:root:it broke - WARNING it may break - <CRITICAL> gone
    re.compile(rb"\s*[\[<(]?(" + _WORDS + rb")(?=[\]>)\s:|/-]|$)"),
    # error: no such file
    re.compile(rb"(?i:(error|warning|fatal|critical|panic|info|debug|notice)):"),
    # 2030-01-02 03:04:05,678 INFO started - 2030-01-02 03:04:05,678 shop.db ERROR gone
    re.compile(_TIME + rb"(?:[\w.:-]+[\s|:-]+)?(" + _WORDS + rb")(?=[\s:|\]-]|$)"),
    # 2030-01-02 03:04:05 UTC [17] LOG:  ready
    re.compile(_TIME + rb"\[\d+\](?: \S+)? (LOG|" + _WORDS + rb"):"),
)
_INSIDE = re.compile(
    # [2030-01-02 03:04:05,678: INFO/MainProcess] ready
    rb": (" + _WORDS + rb")/"
    # [2030-01-02 03:04:05 +0000] [17] [INFO] booting - 2030/01/02 03:04:05 [error] 17#17: gone
    rb"|[\[<]\s*((?i:" + _WORDS + rb"))\s*[\]>]"
    # 2030-01-02 - shop.db - ERROR - gone - 2030-01-02 | ERROR    | shop:main:1 - gone
    rb"|[-|]\s+(" + _WORDS + rb")\s+[-|]"
    # level=warn msg="slow"
    rb"|\b(?:level|lvl|severity)=\"?((?i:" + _WORDS + rb"))\b"
)
_FAILURE = re.compile(
    rb"\s*(?:[+|]\s*)*(?:Exception Group )?Traceback \(most recent call last\):"
    rb"|(?:During handling of the above exception|The above exception was the direct cause)"
    rb"|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|ExceptionGroup)(?::|$)"
)


def level_of(line: bytes) -> str | None:
    """One of `LEVELS`, or None where the line does not say; a traceback is an error."""
    head = line[:_HEAD]
    if b"\x1b" in head:
        head = _SGR.sub(b"", head)
    if head.lstrip().startswith(b"{"):
        return _level_of_json(line)
    for form in _FORMS:
        if found := form.match(head):
            return _named(found[1])
    if found := _INSIDE.search(head):
        return _named(next(filter(None, found.groups())))
    return "error" if _FAILURE.match(head) else None


def is_continuation(line: bytes) -> bool:
    """Whether a line without a level of its own belongs to the one before it."""
    return not line or line[:1] in (b" ", b"\t", b"\r")


def named_level(word: str) -> str | None:
    """The level that *word* means, whatever its case, or None."""
    return _ALIASES.get(word.strip().lower())


def at_least(level: str | None, wanted: str) -> bool:
    """Whether *level* is *wanted*, or more serious; a line that says nothing is not."""
    return level is not None and _RANK[level] >= _RANK[wanted]


def _named(word: bytes) -> str | None:
    return named_level(word.decode("ascii", "replace"))


def _level_of_json(line: bytes) -> str | None:
    if len(line) > _JSON_MAX:
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _level_in(record) if isinstance(record, dict) else None


def _level_in(record: dict[str, Any]) -> str | None:
    for key in _KEYS:
        if (level := _level_said(record.get(key))) is not None:
            return level
    if type(number := record.get("levelno")) is int:
        return _PYTHON.get(number)
    inner = record.get("record")  # loguru
    return _level_in(inner) if isinstance(inner, dict) else None


def _level_said(value: object) -> str | None:
    if isinstance(value, str):
        return named_level(value)
    if isinstance(value, dict):
        return _level_said(value.get("name"))
    return _PINO.get(value) if type(value) is int else None
