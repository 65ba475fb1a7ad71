"""What runs may use of the supervisor's descriptors."""

import os
import resource
from collections.abc import Iterator

import pytest

from oxtrio.system.descriptors import CONTROL_RESERVE, RUN, FileLimit


@pytest.fixture
def opened() -> Iterator[list[int]]:
    """The limit is 100 above all that is open; what is opened beyond is closed again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    numbers = [os.open(os.devnull, os.O_RDONLY)]
    highest = max(map(int, os.listdir("/proc/self/fd")))
    while numbers[-1] < highest:  # no holes
        numbers.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (numbers[-1] + 100, before[1]))
    yield numbers
    for number in numbers:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_there_is_room_until_what_is_left_is_needed_for_control(opened: list[int]) -> None:
    limit = FileLimit()
    while limit.room_for_runs():
        opened.append(os.open(os.devnull, os.O_RDONLY))

    left = 0
    while True:
        try:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break
        left += 1
    assert CONTROL_RESERVE + RUN - 1 <= left < CONTROL_RESERVE + RUN + 2


def test_a_hole_is_not_taken_for_a_lot_of_room(opened: list[int]) -> None:
    limit = FileLimit()
    while limit.room_for_runs():
        opened.append(os.open(os.devnull, os.O_RDONLY))
    opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(4))

    os.close(opened.pop(-9))
    assert not limit.room_for_runs()
    for _ in range(4):
        os.close(opened.pop(-9))
    assert limit.room_for_runs()


def test_without_a_limit_there_is_always_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)

    assert FileLimit().room_for_runs()
