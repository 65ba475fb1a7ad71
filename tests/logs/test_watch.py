"""Readiness by a line of output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.errors import UsageError
from oxtrio.logs.watch import KEPT, LOOK_BACK, LineWatch

BANNER = b"\x1b[32mINFO\x1b[0m:     Uvicorn running on \x1b[1mhttp://0.0.0.0:8000\x1b[0m\n"


def fed(pattern: str, *chunks: bytes) -> bool:
    watch = LineWatch(pattern)
    for chunk in chunks:
        watch.feed(chunk)
    return watch.matched


def in_pieces(data: bytes, size: int = 1) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        ("ready", b"getting ready\n"),
        ("ready", b"no newline, but ready"),
        ("^ready$", b"not yet\nready\nand on\n"),
        ("^ready$", b"not yet\r\nready\r\nand on\r\n"),
        ("^ready$", b"ready\r"),
        (r"Uvicorn running on http://.*:8000$", BANNER),
        (r"^INFO: +Uvicorn", BANNER),
        ("bereit für alles", "Jetzt bereit für alles\n".encode()),
        (".*ready.*", b"getting ready\n"),
        (".*?ready", b"getting ready\n"),
        ("^.*ready", b"getting ready\n"),
        (".*", b"anything"),
        ("(?i)READY", b"ready\n"),
        ("", b"x"),
        ("^$", b"one\n\ntwo\n"),
        ("a.c", b"\xff\xfea\x80c\n"),
        ("red", b"\x1b[31mr\x1b[0me\x1b[1;38;5;200md\x1b[m\x1b[K\n"),
        ("green", b"g\x1b[38:2::1:2:3mreen"),
        (r"\x1b\]0;title", b"\x1b]0;title\x07\n"),
    ],
)
def test_a_line_matches_however_it_comes(pattern: str, output: bytes):
    assert fed(pattern, output)
    assert fed(pattern, *in_pieces(output))
    assert fed(pattern, *in_pieces(output, 3))
    assert fed(pattern, b"before\n", *in_pieces(output, 7))


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        ("ready", b""),
        ("ready", b"rea\ndy\n"),
        (r"one\s+two", b"one\ntwo\n"),
        ("^ready", b"already\n"),
        ("a[^x]*b", b"a\nb\n"),
        ("^$", b"one\ntwo\n"),
        ("31m", b"\x1b[31mred\x1b[0m\n"),
        (".*+ready", b"ready\n"),
    ],
)
def test_what_does_not_match_in_one_line_does_not_match(pattern: str, output: bytes):
    assert not fed(pattern, output)
    assert not fed(pattern, *in_pieces(output))


def test_a_partial_line_counts_as_soon_as_it_matches():
    watch = LineWatch("> $")

    assert [watch.feed(piece) for piece in (b"shell", b"", b">", b" ", b"x")] == [
        *(False, False, False, True, True)
    ]


def test_once_matched_it_stays_so_and_keeps_nothing():
    watch = LineWatch("ready")

    assert watch.feed(b"ready")
    assert watch.feed(b"x" * 1000)
    assert not watch._line


@given(st.lists(st.binary(max_size=6)), st.integers(1, 4))
def test_pieces_are_as_good_as_the_whole(lines: list[bytes], size: int):
    output = b"\n".join(lines)
    pattern = "a|^b$|(?<=c)d|\\be"

    if fed(pattern, output):
        assert fed(pattern, *in_pieces(output, size))


def test_of_a_line_without_an_end_little_is_kept():
    watch = LineWatch("^never$")

    for _ in range(200):
        watch.feed(b"x" * 1000)
    watch.feed(b"y" * (3 * KEPT))
    assert len(watch._line) <= KEPT


def test_in_a_line_that_is_longer_than_what_is_kept_its_end_is_found_and_no_false_beginning():
    pieces = in_pieces(b"." * (2 * KEPT) + b"ready", 4001)

    assert fed("ready", *pieces)
    assert not fed("^[.]*ready", *pieces)
    assert fed("^next$", *pieces, b"\nnext")


def test_a_match_across_much_of_a_line_is_found_when_the_line_ends():
    pieces = [b"begin", *in_pieces(b"." * 5 * LOOK_BACK, 100), b"end"]

    assert fed("begin.*end", *pieces, b"\n")


class Counting:
    """Stands in for a pattern, and counts the bytes that it is asked to look at."""

    def __init__(self) -> None:
        self.bytes = 0

    def is_in(self, line: bytes, start: int = 0, end: int = 0) -> bool:
        self.bytes += max(end - max(start, 0), 0)
        return False


def test_no_line_is_searched_again_and_again():
    watch = LineWatch("x")
    counting = watch._pattern = Counting()  # type: ignore[assignment]

    fed = 0
    for piece in in_pieces(b"." * 500_000, 10):
        watch.feed(piece)
        fed += 1

    assert counting.bytes <= 5 * 500_000 + fed * LOOK_BACK


def test_what_is_searched_for_anything_first_costs_no_more_than_without():
    # A second for each of these lines, were each byte tried as the beginning of the match.
    assert not fed(".*no such thing", *[b"." * KEPT + b"\n"] * 50)


def test_what_is_no_pattern_is_told_at_once():
    with pytest.raises(UsageError):
        LineWatch("(")
