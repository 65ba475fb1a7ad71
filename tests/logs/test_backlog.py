"""What waits for room, and what is dropped where there is none."""

from oxtrio.logs.backlog import Backlog, Room, Waiting
from oxtrio.logs.index import Writer
from tests.logs.writing import ERR, OUT

ONE, TWO = Writer(0, OUT), Writer(0, ERR)


def add(backlog, data, writer=ONE, *, inside_line=False):
    backlog.add(Waiting(writer, data, 1.0), inside_line=inside_line)


def drained(backlog):
    got = b""
    while backlog:
        got += backlog.first().data
        backlog.wrote(b"")
    return got


def test_what_waits_comes_out_in_order_and_gives_its_room_back():
    backlog = Backlog(Room(100))
    add(backlog, b"one\n")
    add(backlog, b"two\n", TWO)
    assert backlog.room.free == 92

    assert drained(backlog) == b"one\ntwo\n"
    assert backlog.room.free == 100


def test_only_whole_lines_are_dropped_and_every_one_is_counted():
    backlog = Backlog(Room(10))
    add(backlog, b"one\ntwo\nthree\nfour\n")
    add(backlog, b"five\n")

    assert backlog.dropped == 3
    assert drained(backlog) == b"one\ntwo\n[oxtrio] dropped 3 lines (disk full)\n"
    assert backlog.dropped == 0


def test_a_line_that_has_begun_is_finished_even_without_room():
    backlog = Backlog(Room(4))
    add(backlog, b"beg")
    add(backlog, b"un\nnext\n")

    assert drained(backlog) == b"begun\n[oxtrio] dropped 1 lines (disk full)\n"


def test_a_line_that_has_begun_in_the_file_is_finished_too():
    backlog = Backlog(Room(0))
    add(backlog, b"un\nnext\n", inside_line=True)

    assert drained(backlog) == b"un\n[oxtrio] dropped 1 lines (disk full)\n"


def test_the_end_of_a_line_whose_beginning_was_dropped_is_dropped():
    backlog = Backlog(Room(0))
    add(backlog, b"one\nbeg")
    add(backlog, b"un")
    assert backlog.dropped == 2
    assert drained(backlog)

    assert backlog.after_gap(ONE, b"no end yet") == b""
    assert backlog.after_gap(TWO, b"other\n") == b"other\n"
    assert backlog.after_gap(ONE, b" end\nwhole\n") == b"whole\n"
    assert backlog.after_gap(ONE, b"next\n") == b"next\n"


def test_once_something_is_dropped_all_is_until_there_is_room():
    backlog = Backlog(Room(8))
    add(backlog, b"longer than that\n")
    add(backlog, b"short\n")

    assert drained(backlog) == b"[oxtrio] dropped 2 lines (disk full)\n"


def test_files_of_one_app_share_its_room():
    room = Room(8)
    add(Backlog(room), b"eight..\n")
    other = Backlog(room)
    add(other, b"x\n")

    assert other.dropped == 1


def test_what_is_only_written_in_part_keeps_waiting():
    backlog = Backlog(Room(100))
    add(backlog, b"one\ntwo\n")
    backlog.wrote(b"two\n")

    assert backlog.first().data == b"two\n"
    assert backlog.room.free == 96


def test_a_run_that_ends_inside_a_line_ends_the_line():
    backlog = Backlog(Room(100))
    add(backlog, b"no newline")
    backlog.end_line(ONE, 2.0)
    backlog.end_line(TWO, 2.0)

    assert drained(backlog) == b"no newline\n"
