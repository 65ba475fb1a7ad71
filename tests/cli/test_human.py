import pytest

from oxtrio.cli import human

MB = 1024**2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3661, "1h 1m"),
        (194400, "2d 6h"),
        (86400 + 30, "1d"),
        (400 * 86400, "400d"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float | None, text: str):
    assert human.span(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (512 * 1024, "512 KB"),
        (210 * MB, "210 MB"),
        (999 * MB, "999 MB"),
        (1536 * MB, "1.5 GB"),
    ],
)
def test_memory_is_named_in_the_unit_that_keeps_it_short(size: int | None, text: str):
    assert human.memory(size) == text


def test_a_percentage_has_one_decimal():
    assert human.percent(3.24) == "3.2%"
    assert human.percent(None) == "-"
