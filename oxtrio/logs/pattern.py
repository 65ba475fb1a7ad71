"""Regular expressions of operators, looked for in output without ever holding anybody up.

Python's own `re` may look for `(a+)+$` in thirty bytes for longer than anybody lives, and nothing
else runs meanwhile. The package `regex` gives up when its time is over, and lets others run while
it is searching.
"""

import time

import regex

from oxtrio.errors import UsageError

LONGEST = 1.0
"""Seconds for one line, in a thread of its own."""
GLANCE = 0.1
"""Seconds for one line where everybody else waits."""
ADVANCE, SHARE = 0.5, 0.05
"""Seconds, and share of the time since then, that all lines together may take there."""


class Pattern:
    """A regular expression over bytes; *text* counts as its UTF-8.

    *hurried*: everybody else waits for its searches, so that they get little time, one by one
    and together. Raises `UsageError` where *text* is no regular expression.
    """

    def __init__(self, text: str, *, hurried: bool) -> None:
        self._text = text
        self._patience = GLANCE if hurried else LONGEST
        self._left = ADVANCE if hurried else None
        self._at = time.monotonic()
        try:
            self._search = regex.compile(text.encode()).search
        except (regex.error, RecursionError, OverflowError) as error:
            raise UsageError(
                f"{text!r} is no regular expression: {error}",
                hint="it is one of Python; put \\ before . * + ? ( ) [ ] { } | ^ $",
            ) from None

    def is_in(self, line: bytes | bytearray, start: int = 0, end: int | None = None) -> bool:
        """Whether it is found between *start* and *end*.

        Raises `UsageError` where that takes too long.
        """
        began, alone = time.monotonic(), self._left is None
        try:
            found = self._search(line, start, end, timeout=self._patience, concurrent=alone)
        except TimeoutError:
            raise self._too_slow(f"longer than {self._patience:g} s for one line") from None
        if self._left is not None:
            now = time.monotonic()
            earned, self._at = (now - self._at) * SHARE, now
            self._left = min(self._left + earned, ADVANCE) - (now - began)
            if self._left < 0:
                raise self._too_slow("more time than there is for all lines")
        return found is not None

    def _too_slow(self, why: str) -> UsageError:
        return UsageError(
            f"looking for {self._text!r} takes {why}",
            hint="make it simpler: no repetition of a repetition, such as (a+)+",
        )
