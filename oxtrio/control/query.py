"""The query of a request, read strictly."""

from collections.abc import Callable
from math import isfinite
from typing import TypeVar
from urllib.parse import parse_qsl

from oxtrio.errors import UsageError

T = TypeVar("T")

MAX_DIGITS = 18  # below 2**63

FLAGS = {"": True, "1": True, "true": True, "0": False, "false": False}


class Query:
    """Hands out typed values, and refuses what nobody took (`finish`)."""

    def __init__(self, text: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError:
            raise UsageError("cannot read the query: not valid UTF-8, or too many fields") from None
        self._left: dict[str, list[str]] = {}
        self._known: list[str] = []
        for key, value in pairs:
            self._left.setdefault(key, []).append(value)

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of *key*, which may be repeated."""
        self._known.append(key)
        return tuple(self._left.pop(key, ()))

    def text(self, key: str) -> str | None:
        """The value of *key*, which may occur once."""
        values = self.all(key)
        if len(values) > 1:
            raise UsageError(f"{key} may occur only once")
        return values[0] if values else None

    def flag(self, key: str) -> bool:
        """Whether *key* is set: present, and not `0` or `false`."""
        return self.value(key, FLAGS.__getitem__, "1 or 0", default=False)

    def value(self, key: str, kind: Callable[[str], T], wanted: str, *, default: T) -> T:
        """What *kind* makes of the value of *key*; in words, it must be *wanted*."""
        text = self.text(key)
        if text is None:
            return default
        try:
            return kind(text)
        except (KeyError, ValueError):
            raise UsageError(f"{key} must be {wanted}, is {text[:80]!r}") from None

    def finish(self) -> None:
        """Whatever nobody took is a mistake."""
        if self._left:
            known = ", ".join(self._known) or "none"
            raise UsageError(
                f"unknown query parameter {min(self._left)!r}", hint=f"parameters: {known}"
            )


def natural(text: str) -> int:
    """A whole number that is not negative, and not absurd."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ValueError(text)
    return int(text)


def finite(text: str) -> float:
    """A number that is one."""
    if not isfinite(number := float(text)):
        raise ValueError(text)
    return number
