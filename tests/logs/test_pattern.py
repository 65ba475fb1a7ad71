"""Patterns of operators: found as Python finds them, and given up where that takes for ever."""

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.errors import UsageError
from oxtrio.logs import pattern as module
from oxtrio.logs.pattern import Pattern

FOR_EVER = "(a|aa)+$"
ENDLESS = b"a" * 60 + b"!"

PATTERNS = st.sampled_from(
    [
        "a",
        "^a",
        "b$",
        "a+b*",
        "(a|b)c",
        "[^a]b",
        r"\bab\b",
        "a.c",
        "(?i)AB",
        "a{2,3}",
        "(?=a)b|c",
        "ü",
    ]
)
LINES = st.text(alphabet="abcAB ü\r", max_size=20).map(str.encode)


@given(text=PATTERNS, line=LINES, hurried=st.booleans())
def test_it_finds_what_python_finds(text: str, line: bytes, hurried: bool):
    found = Pattern(text, hurried=hurried).is_in(line)

    assert found == (re.search(text.encode(), line) is not None)


def test_only_what_is_between_start_and_end_counts():
    pattern = Pattern("a", hurried=True)

    assert pattern.is_in(bytearray(b"a-a"), 1)
    assert not pattern.is_in(bytearray(b"a-a"), 1, 2)


@pytest.mark.parametrize("text", ["(", "*", "a{2", "[z-a]", "(?P<x", "\\"])
def test_what_is_none_is_refused_with_what_to_do(text: str):
    try:
        re.compile(text)
    except re.error:
        with pytest.raises(UsageError, match="is no regular expression") as refused:
            Pattern(text, hurried=False)
        assert refused.value.hint


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST", 0.05)
    for hurried in (True, False):
        with pytest.raises(UsageError, match="for one line") as refused:
            Pattern(FOR_EVER, hurried=hurried).is_in(ENDLESS)
        assert "simpler" in refused.value.hint


def test_all_lines_together_have_a_bound_where_others_wait(monkeypatch: pytest.MonkeyPatch):
    """Each of them may be just short enough; what is not spent comes back with time."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    pattern = Pattern("a", hurried=True)

    def search(*_: object, **__: object) -> None:
        now[0] += module.GLANCE

    monkeypatch.setattr(pattern, "_search", search)
    for _ in range(50):
        assert not pattern.is_in(b"b")
        now[0] += module.GLANCE / module.SHARE
    for _ in range(round(module.ADVANCE / module.GLANCE)):
        pattern.is_in(b"b")
    with pytest.raises(UsageError, match="all lines"):
        pattern.is_in(b"b")


def test_others_run_while_a_thread_searches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST", 2.0)
    begun, over = threading.Event(), threading.Event()

    def search() -> None:
        begun.set()
        with pytest.raises(UsageError):
            Pattern(FOR_EVER, hurried=False).is_in(ENDLESS)
        over.set()

    searching = threading.Thread(target=search)
    searching.start()
    begun.wait()
    turns = 0
    while not over.is_set() and turns < 100:
        time.sleep(0.001)
        turns += 1
    assert turns == 100
    searching.join()
