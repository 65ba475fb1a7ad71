"""A sieve says the same in both directions."""

from hypothesis import given
from hypothesis import strategies as st

from oxtrio.logs.sieve import Sieve
from oxtrio.model.log import LogLine, LogQuery
from tests.logs.writing import ERR, OUT

LINES = st.builds(
    LogLine,
    at=st.just(0.0),
    app=st.just("api"),
    instance=st.just(0),
    stream=st.sampled_from([OUT, ERR]),
    data=st.sampled_from([b"ERROR: a", b"INFO: b", b"  more a", b"", b"just text a"]),
)


@given(st.lists(LINES), st.sampled_from([None, "info", "error"]), st.sampled_from([None, "a"]))
def test_as_many_lines_pass_backward_as_forward(lines, level, grep):
    query = LogQuery(level=level, grep=grep)
    forward, backward = Sieve(query, None), Sieve(query, None)

    passed = sum(map(forward.passes, lines))

    assert sum(map(backward.passes_backward, reversed(lines))) == passed
