"""What a soak counts by, and that its acts come from the seed alone."""

import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.failure import Failed
from benchmarks.soak import gaps, writer
from benchmarks.soak.gaps import Gaps
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.plan import WEIGHTS, Act, plan
from benchmarks.soak.trail import Trail
from benchmarks.soak.writer import Tally, line_of

A, B = "slow:0/out", "slow:1/out"


def ledger(*counts: tuple[int, int], may_skip: bool = False) -> Ledger:
    """Of writers whose runs have begun and done so many lines."""
    return Ledger(lambda who, run: counts[run] if run < len(counts) else (0, 0), may_skip)


def wrongs(of: Ledger, *lines: bytes) -> list[str]:
    return [wrong for line in lines for wrong in of.take(line.removesuffix(b"\n"))]


def lines(who: str, run: int, *numbers: int) -> list[bytes]:
    return [line_of(who, run, number) for number in numbers]


def test_lines_in_order_are_found_run_by_run_and_writer_by_writer():
    right = ledger((2, 2), (3, 3))

    assert wrongs(right, *lines(A, 0, 0, 1), *lines(B, 0, 0), *lines(A, 1, 0, 1, 2)) == []
    assert wrongs(right, *lines(B, 0, 1), *lines(B, 1, 0, 1, 2)) == []
    assert [*right.finish(A, 2), *right.finish(B, 2)] == []
    assert {who: each.found for who, each in right.courses.items()} == {A: 5, B: 5}


@pytest.mark.parametrize(
    ("numbers", "about"),
    [((0, 0), "second time"), ((0, 2), "is missing"), ((1,), "is missing")],
)
def test_a_line_that_comes_twice_or_is_missing_is_told(numbers: tuple[int, ...], about: str):
    [wrong] = wrongs(ledger((3, 3)), *lines(A, 0, *numbers))

    assert about in wrong


def test_a_line_of_a_run_that_was_over_is_told():
    [wrong] = wrongs(ledger((2, 1), (2, 1)), *lines(A, 0, 0), *lines(A, 1, 0), *lines(A, 0, 1))

    assert "too late" in wrong


def test_the_last_lines_of_a_run_are_missed_when_the_next_one_writes():
    [wrong] = wrongs(ledger((3, 2), (1, 1)), *lines(A, 0, 0), *lines(A, 1, 0))

    assert "the last 1 of 2" in wrong


def test_a_run_without_a_line_is_missed_only_if_it_wrote_one():
    assert wrongs(ledger((1, 1), (1, 0), (1, 1)), *lines(A, 0, 0), *lines(A, 2, 0)) == []
    assert wrongs(ledger((1, 1), (1, 1), (1, 1)), *lines(A, 0, 0), *lines(A, 2, 0)) != []


def test_the_lines_of_the_last_run_are_missed_at_the_end():
    given = ledger((2, 2))
    assert wrongs(given, *lines(A, 0, 0)) == []

    assert len(list(given.finish(A, 1))) == 1
    assert given.courses[A].missing == 1


@pytest.mark.parametrize("ends", [b"\n", b""])
def test_a_line_is_cut_only_where_its_writer_was_killed(ends: bytes):
    cut = line_of(A, 0, 1)[:-5] + ends
    following = [cut, line_of(A, 1, 0)] if ends else [cut + line_of(A, 1, 0)]
    killed, well = ledger((5, 1), (1, 1)), ledger((5, 2), (1, 1))

    assert wrongs(killed, line_of(A, 0, 0), *following) == []
    assert killed.cut == 1
    assert wrongs(well, line_of(A, 0, 0), *following) != []


def test_the_end_of_a_run_whose_pipe_nobody_held_is_excused_and_nothing_before_it():
    unheld = Ledger(lambda who, run: (3, 3), excuse=lambda who, run: run == 0)

    assert wrongs(unheld, *lines(A, 0, 0), *lines(A, 1, 0, 1, 2)) == []
    assert (unheld.courses[A].missing, unheld.courses[A].excused) == (2, 2)
    assert len(wrongs(unheld, *lines(A, 2, 1))) == 1


def test_nonsense_is_told():
    assert len(wrongs(ledger((1, 1)), b"what is this", line_of(A, 0, 0)[:-2] + b"y")) == 2


def test_dropped_lines_are_counted_where_they_may_be_dropped():
    said = b"[oxtrio] dropped 3 lines (disk full)"
    may, must_not = ledger((9, 9), may_skip=True), ledger((9, 9))

    assert wrongs(may, *lines(A, 0, 0), said, *lines(A, 0, 4)) == []
    assert (may.told, may.courses[A].missing) == (3, 3)
    assert len(wrongs(must_not, *lines(A, 0, 0), said, *lines(A, 0, 4))) == 2


def test_a_trail_goes_from_file_to_file_and_gives_each_line_once(tmp_path: Path):
    log, older, oldest = (tmp_path / name for name in ("a.log", "a.log.1", "a.log.2"))
    trail = Trail(log)
    assert list(trail.lines()) == []
    log.write_bytes(b"1\n2")
    assert list(trail.lines()) == [b"1"]
    with log.open("ab") as file:
        file.write(b"2\n3\n")
    log.rename(oldest)
    older.write_bytes(b"4\n")
    log.write_bytes(b"5\nno end")
    (tmp_path / "a.log.1.gz").touch()

    assert list(trail.lines()) == [b"22", b"3", b"4", b"5"]
    assert trail.rest() == b"no end"


def test_a_trail_tells_when_what_it_read_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.soak.trail.PATIENCE", 0.0)
    log = tmp_path / "a.log"
    trail = Trail(log)
    log.write_bytes(b"1\n")
    assert list(trail.lines()) == [b"1"]
    (tmp_path / "new").write_bytes(b"9\n")
    (tmp_path / "new").rename(log)

    with pytest.raises(Failed, match="gone"):
        list(trail.lines())


def test_the_same_seed_gives_the_same_acts_and_another_one_others():
    def acts(seed: int) -> list[Act]:
        return list(islice(plan(seed), 2000))

    assert acts(7) == acts(7) != acts(8)
    assert set(Counter(act.kind for act in acts(7))) == set(WEIGHTS)
    assert all(0 <= act.pause <= 5 and act.choose(("a", "b")) in "ab" for act in acts(7))
    assert all(1 <= act.among(1, 3) < 3 for act in acts(7))


def test_times_in_which_nobody_held_anything_are_known_with_what_is_next_to_them(
    monkeypatch: pytest.MonkeyPatch,
):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    times = Gaps()
    times.open(100.0)
    now = 110.0
    times.open(109.0)
    times.close()
    times.close()
    times.open(111.0)
    now = 115.0

    assert times.all() == [
        (100 - gaps.BEFORE, 110 + gaps.AFTER),
        (110 + gaps.AFTER, 115 + gaps.AFTER),
    ]
    assert [times.has(moment) for moment in (98.0, 99.5, 110.2, 112.0, 116.0)] == [
        *(False, True, True, True, False)
    ]


@pytest.mark.slow
def test_what_a_writer_has_written_is_in_its_tally(tmp_path: Path):
    command = [sys.executable, "-IS", writer.__file__, str(tmp_path), "crash"]
    given = {**os.environ, "OXTRIO_NAME": "slow", "OXTRIO_INSTANCE_ID": "0"}
    for _ in range(2):
        ended = subprocess.run(command, env=given, capture_output=True, timeout=30)
        assert ended.returncode == 3

    tally = Tally(tmp_path / A)
    assert (tally.runs, tally.of(0), tally.of(1)) == (2, (3, 3), (3, 3))
    assert ended.stdout == b"".join(lines(A, 1, 0, 1, 2))
