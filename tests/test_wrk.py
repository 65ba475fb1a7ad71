"""What wrk says is read, and what went wrong is not overlooked."""

import pytest

from benchmarks.failure import Failed
from benchmarks.wrk import read

SAID = """\
Running 2s test @ http://127.0.0.1:8000/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.36ms    1.62ms  33.32ms   95.92%
    Req/Sec     3.57k   288.07     3.94k    85.00%
  Latency Distribution
     50%    2.07ms
     75%  950.00us
     90%    3.38ms
     99%    1.02s
  7101 requests in 2.00s, 1.07MB read
Requests/sec:   3548.51
Transfer/sec:    547.93KB
"""


def test_rate_and_latency_are_read_in_seconds():
    assert read(SAID) == (3548.51, 0.00207, 1.02)


@pytest.mark.parametrize(
    "wrong",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0",
        "  Non-2xx or 3xx responses: 12",
    ],
)
def test_failures_are_not_overlooked(wrong: str):
    with pytest.raises(Failed, match=wrong.strip()[:8]):
        read(SAID.replace("Requests/sec", f"{wrong}\nRequests/sec"))


def test_silence_is_no_success():
    with pytest.raises(Failed):
        read("unable to connect to 127.0.0.1:8000 Connection refused")
