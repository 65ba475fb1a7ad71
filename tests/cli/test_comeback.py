"""Lines and events that go on with the next supervisor."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from oxtrio.cli import comeback
from oxtrio.cli.comeback import Following, followed
from oxtrio.cli.target import Target
from oxtrio.errors import DaemonUnreachable, NotRunning, ProtocolError
from oxtrio.model.log import LogLine, LogQuery
from tests.cli.scripted import ScriptedClient, line


def at(second: float, text: bytes = b"tick") -> LogLine:
    return line("a", text, at=second)


def shown(following: Following, *lines: LogLine) -> list[bytes]:
    return [each.data for each in lines if following.is_new(each)]


def test_the_first_supervisor_is_asked_what_is_wanted():
    query = LogQuery(names=("a",), lines=7, follow=True)

    assert Following(query).next_query() == query


def test_the_next_one_is_asked_for_a_second_of_it_again():
    following = Following(LogQuery(lines=7, grep="x", follow=True))
    following.next_query()
    shown(following, at(90.0), at(100.0))

    again = following.next_query()

    assert (again.lines, again.since, again.grep, again.follow) == (None, 99.0, "x", True)


def test_what_was_shown_is_not_shown_again_even_where_files_know_the_time_less_exactly():
    following = Following(LogQuery(follow=True))
    following.next_query()
    shown(following, at(98.0, b"1"), at(99.5, b"2"), at(99.96, b"3"))
    following.next_query()

    again = shown(following, at(99.45, b"2"), at(99.9, b"3"), at(100.1, b"4"))

    assert again == [b"4"]


def test_nothing_is_shown_that_came_before_what_was_asked_for():
    """Who has just begun to follow is not told of the second before that."""
    following = Following(LogQuery(lines=0, follow=True))
    following.next_query()
    shown(following, at(99.9, b"5"), at(100.0, b"6"))

    assert following.next_query().since == pytest.approx(99.8)
    again = shown(following, at(99.82, b"4"), at(99.88, b"5"), at(99.99, b"6"), at(100.1, b"7"))

    assert again == [b"7"]


def test_who_has_seen_no_line_yet_is_told_of_those_that_come_in_the_gap(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(comeback.time, "time", lambda: 100.0)
    following = Following(LogQuery(lines=0, follow=True))
    following.next_query()

    again = following.next_query()

    assert (again.lines, again.since) == (None, 100.0)
    assert shown(following, at(100.1, b"1"), at(100.2, b"2")) == [b"1", b"2"]


def test_lines_that_are_all_the_same_are_counted():
    following = Following(LogQuery(follow=True))
    following.next_query()
    shown(following, at(99.8), at(99.9), at(100.0))
    following.next_query()

    assert shown(following, *[at(99.85)] * 5) == [b"tick"] * 2


def test_other_apps_and_streams_have_lines_of_their_own():
    following = Following(LogQuery(follow=True))
    following.next_query()
    shown(following, line("a", b"x", at=100.0))
    following.next_query()

    assert shown(following, line("b", b"x", at=100.0)) == [b"x"]


@pytest.fixture
def target(client: ScriptedClient, monkeypatch: pytest.MonkeyPatch) -> Target:
    backs = iter([True, True, False])
    monkeypatch.setattr(Target, "comes_back", lambda target: next(backs))
    return Target()


def test_who_follows_is_given_what_the_next_ones_have_until_none_comes(target: Target):
    ends = iter([None, NotRunning("gone"), ProtocolError("broke off")])

    def ask(client: object) -> Iterator[int]:
        yield 1
        if (error := next(ends)) is not None:
            raise error

    assert list(followed(target, ask)) == [1, 1, 1]


def test_one_that_does_not_answer_is_an_error(target: Target):
    def ask(client: object) -> Iterator[int]:
        yield 1
        raise DaemonUnreachable("silence")

    with pytest.raises(DaemonUnreachable):
        list(followed(target, ask))


def test_a_supervisor_that_is_about_to_end_does_not_come_back(monkeypatch: pytest.MonkeyPatch):
    where = SimpleNamespace(is_served=True, is_kept=False)
    monkeypatch.setattr(Target, "folders", lambda target: where)
    client = ScriptedClient()
    monkeypatch.setattr(Target, "client", lambda target: client)
    status = client.supervisor()
    stopping = SimpleNamespace(stopping=True)

    assert Target().comes_back() is not status.stopping
    monkeypatch.setattr(client, "supervisor", lambda: cast("object", stopping))
    assert not Target().comes_back()
    where.is_served = False
    assert not Target().comes_back()
