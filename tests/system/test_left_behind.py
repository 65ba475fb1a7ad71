"""One look serves all who ask, and is never taken for more than it tells."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import cast

import pytest
import trio

from oxtrio.system.children import Child, Children
from oxtrio.system.kinship import Kin, Kinship
from oxtrio.system.left_behind import LOOK_AGAIN, LeftBehind
from tests.engine import eventually, is_alive

pytestmark = pytest.mark.slow


class Leader:
    """Of a run; it has ended, unless a test says otherwise."""

    def __init__(self, pid: int) -> None:
        self.pid, self.alive = pid, False


class Reaper:
    """Says what a test tells it."""

    def __init__(self) -> None:
        self.ends = self.looks = 0
        self.left: list[int] = []

    def orphans(self) -> list[int]:
        self.looks += 1
        return self.left


class Site:
    def __init__(self) -> None:
        self.reaper, self.kinship = Reaper(), Kinship()
        self.left_behind = LeftBehind(cast(Children, self.reaper), self.kinship)

    def run(self, pid: int) -> Kin:
        kin = Kin(f"run-{pid}", cast(Child, Leader(pid)))
        self.kinship.add(kin)
        return kin

    def of(self, kin: Kin) -> tuple[list[int], bool]:
        return self.left_behind.of(kin)


@contextmanager
def process(*argv: str) -> Iterator[int]:
    """It leads a session; nobody reaps it before the end of the test."""
    started = subprocess.Popen(argv, start_new_session=True)
    try:
        yield started.pid
    finally:
        started.kill()
        started.wait()


NOBODY = range(4_200_000, 4_200_300)
"""Pids that no process of this machine has."""


async def test_hundreds_that_ask_at_once_make_one_look() -> None:
    site = Site()
    kins = [site.run(pid) for pid in NOBODY]

    assert {(tuple(left), sure) for left, sure in map(site.of, kins)} == {((), True)}

    assert site.reaper.looks == 1


async def test_that_nothing_is_left_is_true_for_ever_and_that_something_is_for_a_moment() -> None:
    site = Site()
    with process("sleep", "60") as pid:
        empty, other = site.run(NOBODY[0]), site.run(pid)
        site.reaper.left = [pid]
        assert (site.of(empty), site.of(other)) == (([], True), ([pid], True))
        looks = site.reaper.looks
        site.reaper.left = []
        assert site.of(other) == ([pid], True), "of the same moment"

        site.reaper.ends += 1
        assert site.of(other) == ([], True)
        assert site.of(empty) == ([], True)
        assert site.reaper.looks == looks + 1


async def test_where_nobody_tells_of_ends_the_look_is_soon_too_old() -> None:
    site = Site()
    with process("sleep", "60") as pid:
        kin = site.run(pid)
        site.reaper.left = [pid]
        assert site.of(kin) == ([pid], True)
        site.reaper.left = []

        await trio.sleep(LOOK_AGAIN)

        assert site.of(kin) == ([], True)


async def test_a_look_before_the_end_of_a_leader_tells_nothing_of_its_run() -> None:
    site = Site()
    with process("sleep", "60") as pid:
        over, alive = site.run(NOBODY[0]), site.run(pid)
        cast(Leader, alive.leader).alive = True
        assert site.of(over) == ([], True)
        cast(Leader, alive.leader).alive = False
        site.reaper.left = [pid]

        assert site.of(alive) == ([pid], True)


async def test_who_ends_under_our_eyes_leaves_only_its_own_run_in_doubt() -> None:
    """It may just have handed a child over to us."""
    site = Site()
    with process("true") as one, process("true") as two:
        await eventually(lambda: not (is_alive(one) or is_alive(two)))
        runs, other = [site.run(one), site.run(two)], site.run(NOBODY[0])
        looks = cycle([[one], [two]])
        site.reaper.orphans = lambda: next(looks)  # type: ignore[method-assign]

        assert site.of(other) == ([], True)
        assert ([], False) in map(site.of, runs)
        looks = cycle([[one, two]])
        site.reaper.ends += 1
        assert [*map(site.of, runs)] == [([], True)] * 2


async def test_who_ends_under_our_eyes_and_is_nobodys_leaves_all_in_doubt() -> None:
    site = Site()
    with process("true") as one, process("true") as two:
        await eventually(lambda: not (is_alive(one) or is_alive(two)))
        kin = site.run(NOBODY[0])
        looks = cycle([[one], [two]])
        site.reaper.orphans = lambda: next(looks)  # type: ignore[method-assign]

        assert site.of(kin) == ([], False)
