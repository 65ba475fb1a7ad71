"""From chunks, as they come, to lines."""

from collections.abc import Iterator

from oxtrio.logs.backlog import LINE_MAX
from oxtrio.model.log import Chunk, LogLine, Stream


class LineAssembler:
    """Puts the lines of several writers together; a line over 1 MiB is split there."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, int, Stream], tuple[float, bytearray]] = {}

    def add(self, chunk: Chunk) -> list[LogLine]:
        """The lines that *chunk* completes."""
        key = (chunk.app, chunk.instance, chunk.stream)
        begun = self._begun.get(key)
        *whole, rest = chunk.data.split(b"\n")
        if begun is not None and whole:
            begun[1].extend(whole[0])
            whole[0] = bytes(begun[1])
            del self._begun[key]
        lines = [
            LogLine(begun[0] if begun and not number else chunk.at, *key, part)
            for number, line in enumerate(whole)
            for part in _split(line)
        ]
        if rest:
            lines += self._begin(key, chunk.at, rest)
        return lines

    def begun(self) -> tuple[LogLine, ...]:
        """The lines that have begun, as far as they have come."""
        return tuple(LogLine(at, *key, bytes(data)) for key, (at, data) in self._begun.items())

    def flush(self) -> list[LogLine]:
        """The lines that have begun, as far as they have come; they are forgotten."""
        lines = list(self.begun())
        self._begun.clear()
        return lines

    def _begin(self, key: tuple[str, int, Stream], at: float, data: bytes) -> Iterator[LogLine]:
        _, line = self._begun.setdefault(key, (at, bytearray()))
        line.extend(data)
        while len(line) >= LINE_MAX:
            yield LogLine(at, *key, bytes(line[:LINE_MAX]))
            del line[:LINE_MAX]
        if not line:
            del self._begun[key]


def _split(line: bytes) -> Iterator[bytes]:
    yield line[:LINE_MAX]
    for start in range(LINE_MAX, len(line), LINE_MAX):
        yield line[start : start + LINE_MAX]
