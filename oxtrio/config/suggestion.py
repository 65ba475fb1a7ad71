"""What somebody probably meant to write."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 64
"""Comparing is quadratic in the length: what is longer is no slip of the fingers."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean <the nearest of known>?`, or nothing where none is near."""
    if len(word) > LONGEST:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]}?" if near else ""
