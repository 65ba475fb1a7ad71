"""Amounts as sentences name them."""

import pytest

from oxtrio.policy.quantities import counted, duration, exceeding, megabytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.04, "40 ms"),
        (0.3, "0.3 s"),
        (5, "5 s"),
        (9.99, "10 s"),
        (12.4, "12 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (2 * 86400 + 6 * 3600 + 59, "2 d 6 h"),
    ],
)
def test_a_duration_names_its_two_greatest_units(seconds: float, text: str):
    assert duration(seconds) == text


def test_memory_is_named_in_the_unit_of_the_oxfile():
    assert megabytes(612 * 1024 * 1024) == "612 MB"


def test_what_is_barely_too_much_does_not_look_the_same_as_the_limit():
    limit = 64 * 1024 * 1024

    assert exceeding(limit + 100_000, limit) == "64.10 MB > 64.00 MB"


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (0, "failure", "0 failures"),
    ],
)
def test_nouns_agree_with_their_number(number: int, noun: str, text: str):
    assert counted(number, noun) == text
