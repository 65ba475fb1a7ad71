"""Whether a line of output is as a regular expression asks (`log_line`)."""

import re

from oxtrio.logs.pattern import Pattern

KEPT = 64 * 1024
"""Bytes that are kept of a line that has not ended; of a longer one the beginning is forgotten."""
LOOK_BACK = 1024
"""Bytes before the newest ones that are searched again: a match may have begun in them."""

# Colours, and the "erase to the end of the line" that programs write after them.
_COLOUR = re.compile(rb"\x1b\[[0-9;:]{0,64}[mK]")
_BEGUN_COLOUR = re.compile(rb"\x1b(?:\[[0-9;:]{0,64})?\Z")
_BEGUN_MAX = 66
# Where `ready` is found, so is `.*ready`; but that is looked for from each byte of a line on, and
# each time to its end.
_ANYTHING = re.compile(r"\^?\.\*\??(?![*+?{])")


class LineWatch:
    """Looks for *pattern* in the lines of one stream, without colours, until one has matched.

    Bytes are searched: *pattern* counts as its UTF-8. A line that has not ended counts as soon
    as it matches, in whatever pieces it comes; only a match of more than 1 KiB may be noticed
    later, at the latest when the line ends. What has been searched is not searched again with
    each piece, so that a line without an end costs no more than others. Raises `UsageError`
    where *pattern* is none.
    """

    def __init__(self, pattern: str) -> None:
        anything = _ANYTHING.match(pattern)
        self._pattern = Pattern(pattern[anything.end() :] if anything else pattern, hurried=True)
        self._line = bytearray()
        """The line that has not ended, as far as it is kept."""
        self._first = 0
        """Where a match may begin: not at 0 when the beginning of the line has been forgotten."""
        self._searched = 0
        """Bytes of it that have been searched all together."""
        self._colour = b""
        """The beginning of a control sequence."""
        self.matched = False

    def feed(self, data: bytes) -> bool:
        """Look at what comes next; whether a line has matched, now or before.

        Raises `UsageError` where that takes too long: then it is of no more use.
        """
        if not self.matched:
            self.matched = self._is_in(self._without_colours(data))
            if self.matched:
                self._line.clear()
        return self.matched

    def _is_in(self, data: bytes) -> bool:
        *whole, rest = data.split(b"\n")
        if whole:
            self._line += whole[0]
            if self._is_in_line(0):
                return True
            self._line.clear()
            self._first = self._searched = 0
            is_in = self._pattern.is_in
            if any(is_in(line.removesuffix(b"\r")) for line in whole[1:]):
                return True
        return bool(rest) and self._is_in_longer_line(rest)

    def _is_in_longer_line(self, more: bytes) -> bool:
        self._line += more
        size = len(self._line)
        if size >= 2 * self._searched:
            self._searched = size
            found = self._is_in_line(0)
        else:
            found = self._is_in_line(size - len(more) - LOOK_BACK)
        if size > KEPT:
            del self._line[: size - KEPT]
            self._searched = max(self._searched - (size - KEPT), 0)
            self._first = 1  # `^` matches at 0 alone, and there is no beginning any more
        return found

    def _is_in_line(self, start: int) -> bool:
        end = len(self._line) - self._line.endswith(b"\r")
        return self._pattern.is_in(self._line, max(start, self._first), end)

    def _without_colours(self, data: bytes) -> bytes:
        data = self._colour + data
        self._colour = b""
        if b"\x1b" not in data:
            return data
        if begun := _BEGUN_COLOUR.search(data, max(len(data) - _BEGUN_MAX, 0)):
            self._colour = begun[0]
            data = data[: begun.start()]
        return _COLOUR.sub(b"", data)
