import re

from oxtrio.cli import table
from oxtrio.model.state import State
from tests.cli.scripted import row

EXAMPLE = """\
NAME           PID    STATUS   CPU   MEM     RESTARTS  UPTIME  HEALTH   REASON
web            22140  running  3.2%  210 MB  0         2d 6h   healthy
celery-worker  22151  running  1.8%  180 MB  0         2d 6h   -"""


def test_the_table_is_the_one_of_the_specification():
    rows = [
        row("web", health="healthy"),
        row("celery-worker", pid=22151, cpu_percent=1.8, memory_bytes=180 * 1024**2),
    ]

    assert "\n".join(table.lines(rows)) == EXAMPLE


def test_without_instances_only_the_heads_are_shown():
    assert table.lines([]) == ["  ".join(table.HEADS)]


def test_what_does_not_run_has_no_numbers():
    gone = row("web", status=State.BACKOFF, pid=None, reason="exit code 1")

    assert table.cells(gone)[1:7] == ("-", "backoff", "-", "-", "0", "-")


def test_the_reason_is_cut_to_the_terminal_and_only_there():
    rows = [row("web", reason="because " * 20)]

    assert len(table.lines(rows, columns=100)[1]) <= 100
    assert table.lines(rows, columns=100)[1].endswith("…")
    assert "…" not in table.lines(rows)[1]


def test_a_terminal_too_narrow_for_the_columns_still_shows_some_reason():
    assert "becaus" in table.lines([row("web", reason="because " * 20)], columns=20)[1]


def test_leftover_processes_of_an_ended_run_are_shown():
    ended = row("web", status=State.EXITED, pid=None, leftover=2, reason="exit code 0")

    assert table.reason(ended) == "exit code 0, 2 processes left"
    assert table.reason(row("web", leftover=1)) == "1 process left"


def test_leftover_processes_are_not_named_twice():
    assert table.reason(row("web", leftover=2, reason="2 processes left")) == "2 processes left"


def test_what_is_held_is_a_last_column():
    rows = [row("api", listen=("0.0.0.0:8000", "unix:/run/a.sock"), reason="why"), row("db")]

    heads, api, db = table.lines(rows)
    assert heads.endswith("REASON  LISTEN")
    assert api.endswith("why     0.0.0.0:8000, unix:/run/a.sock")
    assert db.endswith("        -")


def test_where_nothing_is_held_there_is_no_such_column():
    assert "LISTEN" not in table.lines([row("api")])[0]


def test_the_reason_makes_room_for_what_is_held_and_keeps_some():
    rows = [row("web", reason="because " * 20, listen=("0.0.0.0:8000",))]

    for columns in range(40, 200):
        heads, line = table.lines(rows, columns=columns)
        assert len(line) <= max(columns, 76)
        assert "becaus" in line
        assert ("LISTEN" in heads) == line.endswith("0.0.0.0:8000") == (columns >= 88)


def test_without_another_reason_a_gap_is_told_and_else_what_it_says_itself():
    gap, said = "nothing holds its port", "Processing\x1b[2J 5 requests"

    assert table.reason(row("web", gap=gap)) == f"a reload means a gap: {gap}"
    assert table.reason(row("web", gap=gap, said=said)) == f"a reload means a gap: {gap}"
    assert table.reason(row("web", said=said)) == "Processing [2J 5 requests"
    assert table.reason(row("web", reason="why", gap=gap, said=said)) == "why"
    assert table.reason(row("web", said="up", leftover=1)) == "up, 1 process left"


def test_colours_do_not_move_columns():
    rows = [row("web", health="healthy"), row("db", status=State.CRASHED, reason="gone")]

    coloured = table.lines(rows, colour=True)

    assert "\x1b[32mrunning" in coloured[1]
    assert "\x1b[31mcrashed" in coloured[2]
    assert [re.sub(r"\x1b\[\d*m", "", each).rstrip() for each in coloured] == table.lines(rows)


def test_every_state_has_a_colour():
    assert set(table.COLOURS) == set(State)
