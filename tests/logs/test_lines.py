"""Lines of several writers, put together from chunks."""

from hypothesis import given
from hypothesis import strategies as st

from oxtrio.logs.lines import LineAssembler
from oxtrio.model.log import Chunk, LogLine
from tests.logs.writing import ERR, OUT

MIB = 1024 * 1024


def a_chunk(data, at=0.0, stream=OUT, instance=0):
    return Chunk(at, "api", instance, stream, data)


def test_lines_of_different_writers_are_kept_apart():
    lines = LineAssembler()

    assert lines.add(a_chunk(b"one", 1.0)) == []
    assert lines.add(a_chunk(b"other\n", 2.0, ERR)) == [LogLine(2.0, "api", 0, ERR, b"other")]
    assert lines.add(a_chunk(b" line\ntwo\n", 3.0)) == [
        LogLine(1.0, "api", 0, OUT, b"one line"),
        LogLine(3.0, "api", 0, OUT, b"two"),
    ]


def test_a_line_that_has_begun_can_be_had_as_it_is():
    lines = LineAssembler()
    lines.add(a_chunk(b"a\nrest", 1.0))

    assert lines.flush() == [LogLine(1.0, "api", 0, OUT, b"rest")]
    assert lines.flush() == []


def test_a_line_over_a_mebibyte_is_split_there():
    lines = LineAssembler()

    long = lines.add(a_chunk(b"x" * (2 * MIB + 10)))
    rest = lines.add(a_chunk(b"y\n"))

    assert [len(line.data) for line in long] == [MIB, MIB]
    assert [line.data for line in rest] == [b"x" * 10 + b"y"]


def test_a_long_line_in_one_chunk_is_split_too():
    assert [len(line.data) for line in LineAssembler().add(a_chunk(b"x" * (MIB + 1) + b"\n"))] == [
        MIB,
        1,
    ]


@given(st.lists(st.binary(max_size=20)))
def test_however_it_is_cut_the_same_lines_come_out(pieces):
    lines = LineAssembler()

    got = [line.data for piece in pieces for line in lines.add(a_chunk(piece))]
    got += [line.data for line in lines.flush()]

    *whole, rest = b"".join(pieces).split(b"\n")
    assert got == whole + ([rest] if rest else [])
