from datetime import datetime

import pytest

from oxtrio.cli.moments import rfc3339, wall_time
from oxtrio.errors import UsageError

NOON = datetime(2025, 6, 1, 12, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "ago"),
    [("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400)],
)
def test_a_span_is_before_now(text: str, ago: float):
    assert wall_time(text, NOON) == NOON - ago


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-05-31T23:59", datetime(2025, 5, 31, 23, 59)),
        ("2025-05-31 23:59:30", datetime(2025, 5, 31, 23, 59, 30)),
        ("2025-05-31", datetime(2025, 5, 31)),
        ("9:05", datetime(2025, 6, 1, 9, 5)),
        ("09:05:07", datetime(2025, 6, 1, 9, 5, 7)),
    ],
)
def test_a_time_without_offset_is_local_time(text: str, moment: datetime):
    assert wall_time(text, NOON) == moment.timestamp()


def test_a_time_with_offset_is_that_moment_everywhere():
    assert wall_time("2025-06-01T10:00:00Z", NOON) == 1748772000.0


@pytest.mark.parametrize("text", ["", "soon", "10x", "m", "25:00", "2025-13-01"])
def test_anything_else_is_wrong_usage(text: str):
    with pytest.raises(UsageError):
        wall_time(text, NOON)


def test_a_moment_is_written_with_its_offset():
    assert wall_time(rfc3339(NOON), 0.0) == NOON
