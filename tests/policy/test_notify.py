"""What a message of sd_notify says, and what is said to the manager above."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oxtrio.model.state import State
from oxtrio.policy.notify import STATUS_MAX, Notice, parse_notice, ping_interval, summary

KEYS = (b"READY", b"RELOADING", b"STOPPING", b"STATUS", b"ERRNO", b"MAINPID", b"WATCHDOG") + (
    *(b"WATCHDOG_USEC", b"EXTEND_TIMEOUT_USEC", b"MONOTONIC_USEC", b"FDSTORE", b"BARRIER", b"X"),
)
VALUES = (b"1", b"0", b"", b"trigger", b"-1", b"99999999999999999999", b"18446744073709551615")
ASSIGNMENTS = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES) | st.binary(max_size=30))
MESSAGES = st.lists(ASSIGNMENTS.map(b"=".join)).map(b"\n".join)


@pytest.mark.parametrize(
    ("datagram", "notice"),
    [
        (b"READY=1", Notice(ready=True)),
        (b"READY=1\n", Notice(ready=True)),
        (b"READY=1\r\nSTATUS=hi\r\n", Notice(ready=True, status="hi")),
        (b"RELOADING=1\nMONOTONIC_USEC=12345", Notice(reloading=True)),
        (b"STOPPING=1", Notice(stopping=True)),
        (b"STATUS=3 of 4 workers = fine", Notice(status="3 of 4 workers = fine")),
        (b"ERRNO=2", Notice(errno=2)),
        (b"MAINPID=4711", Notice(main_pid=4711)),
        (b"WATCHDOG=1", Notice(watchdog="ping")),
        (b"WATCHDOG=trigger", Notice(watchdog="trigger")),
        (b"WATCHDOG_USEC=2500000", Notice(watchdog_timeout=2.5)),
        (b"WATCHDOG_USEC=0", Notice(watchdog_timeout=0.0)),
        (b"EXTEND_TIMEOUT_USEC=1500000", Notice(extend_timeout=1.5)),
        (b"FDSTORE=1\nFDNAME=foo", Notice(fdstore=True)),
        (b"BARRIER=1", Notice(barrier=True)),
        (
            b"READY=1\nSTATUS=up\nMAINPID=7\nWATCHDOG=1",
            Notice(ready=True, status="up", main_pid=7, watchdog="ping"),
        ),
    ],
)
def test_each_assignment_is_understood(datagram: bytes, notice: Notice):
    assert parse_notice(datagram) == notice


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\n\n\n",
        b"READY",
        b"READY=0",
        b"READY=yes",
        b" READY=1",
        b"ready=1",
        b"=1",
        b"X_OURS=1",
        b"ERRNO=ENOENT",
        b"ERRNO=-1",
        b"ERRNO=4096",
        b"MAINPID=0",
        b"MAINPID=-7",
        b"MAINPID=7x",
        b"MAINPID=99999999999",
        "MAINPID=\N{ARABIC-INDIC DIGIT SEVEN}".encode(),
        b"WATCHDOG=0",
        b"WATCHDOG_USEC=-5",
        b"EXTEND_TIMEOUT_USEC=5s",
        b"EXTEND_TIMEOUT_USEC=" + b"9" * 4000,
        b"FDSTOREREMOVE=1",
        b"\0READY=1",
    ],
)
def test_what_makes_no_sense_is_passed_over(datagram: bytes):
    assert parse_notice(datagram) == Notice()


def test_of_what_stands_there_twice_the_first_counts_but_of_phases_the_last():
    assert parse_notice(b"STATUS=one\nMAINPID=1\nSTATUS=two\nMAINPID=2") == Notice(
        status="one", main_pid=1
    )
    assert parse_notice(b"READY=1\nRELOADING=1\nREADY=1\nSTOPPING=0") == Notice(ready=True)
    assert parse_notice(b"READY=1\nSTOPPING=1") == Notice(stopping=True)


def test_a_barrier_stands_alone():
    assert parse_notice(b"READY=1\nBARRIER=1") == Notice(barrier=True)


def test_a_status_is_printable_and_bounded():
    shown = parse_notice(b"STATUS=a\x1b[31mb\tc\x07\xe2\x80\xaed  e\xff").status
    assert shown == "a [31mb c d e\N{REPLACEMENT CHARACTER}"

    long = parse_notice(b"STATUS=" + "ö".encode() * 5000).status
    assert long == "ö" * (STATUS_MAX - 1) + "…"
    assert parse_notice(b"STATUS=").status == ""
    assert parse_notice(b"READY=1").status is None


@given(st.binary() | MESSAGES)
@example(b"STATUS=" + b"\xf0" * 10_000)
def test_no_bytes_make_it_fail(datagram: bytes):
    notice = parse_notice(datagram)

    assert notice.ready + notice.reloading + notice.stopping <= 1
    assert notice.status is None or len(notice.status) <= STATUS_MAX
    assert notice.status is None or notice.status.isprintable()
    assert notice.main_pid is None or notice.main_pid > 0
    assert notice.errno is None or 0 <= notice.errno <= 4095
    assert notice.extend_timeout is None or notice.extend_timeout >= 0


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "no apps"),
        ([State.RUNNING], "1 running"),
        ([State.BACKOFF, State.RUNNING, State.RUNNING, State.RUNNING], "3 running, 1 backoff"),
        ([State.BACKOFF, State.RUNNING], "1 running, 1 backoff"),
        ([State.CRASHED] * 2 + [State.RUNNING], "2 crashed, 1 running"),
    ],
)
def test_a_project_in_a_few_words(states: list[State], text: str):
    assert summary(states) == text


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon\udcff"}, None),
        ({"WATCHDOG_PID": "7"}, None),
    ],
)
def test_we_say_that_we_live_twice_in_each_period_where_it_is_us_who_is_asked(
    environ: dict[str, str], interval: float | None
):
    assert ping_interval(environ, 7) == interval
