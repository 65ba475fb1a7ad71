"""Dates in front of lines, in the ways that people write them."""

import time

import pytest

from oxtrio.logs.dates import date_prefix

WALL = 1_700_000_000.123456  # 2023-11-14T22:13:20Z, a Tuesday


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("layout", "prefix"),
    [
        ("YYYY-MM-DD HH:mm:ss", b"2023-11-14 23:13:20: "),
        ("YYYY-MM-DD HH:mm:ss.SSS Z", b"2023-11-14 23:13:20.123 +01:00: "),
        ("YYYY-MM-DDTHH:mm:ssZZ", b"2023-11-14T23:13:20+0100: "),
        ("[at] h:mm a, dddd Do MMMM YY", b"at 11:13 pm, Tuesday 14th November 23: "),
        ("SSSSSSSSS", b"123456000: "),
        ("D/M H:m:s A ddd d E Q W WW kk hh MMM DDD DDDD k", None),
        ("X x", b"1700000000 1700000000123: "),
        ("%Y-%m-%d %H:%M:%S", b"2023-11-14 23:13:20: "),
        ("iso", b"2023-11-14T23:13:20.123+01:00: "),
    ],
)
def test_a_date_is_written_as_the_layout_says(layout, prefix):
    written = date_prefix(layout)(WALL)

    assert prefix is None or written == prefix
    assert written.endswith(b": ")


@pytest.mark.parametrize(
    ("day", "ordinal"), [(1, b"1st"), (2, b"2nd"), (3, b"3rd"), (11, b"11th"), (22, b"22nd")]
)
def test_days_have_ordinals(day, ordinal):
    assert date_prefix("Do")(time.mktime((2023, 5, day, 12, 0, 0, 0, 0, -1))) == ordinal + b": "
