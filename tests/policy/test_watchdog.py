"""By when a run must have said something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.model.spec import ReadySpec
from oxtrio.policy.notify import Notice
from oxtrio.policy.watchdog import NEVER, Deadlines

READY = Notice(ready=True)
PING = Notice(watchdog="ping")
NOTIFY = ReadySpec(notify=True, period=60.0)
GUARDED = ReadySpec(notify=True, watchdog=5.0, period=60.0)


def extend(seconds: float) -> Notice:
    return Notice(extend_timeout=seconds)


def test_without_a_test_of_its_own_nothing_is_awaited():
    deadlines = Deadlines(ReadySpec(), 100.0)

    assert deadlines.passed
    assert deadlines.next() == NEVER
    assert deadlines.overdue(1e9) is None


def test_ready_must_be_said_within_the_period():
    deadlines = Deadlines(NOTIFY, 100.0)

    assert not deadlines.passed
    assert deadlines.next() == 160.0
    assert deadlines.overdue(159.9) is None
    assert deadlines.overdue(160.0) == "no READY=1 within 60 s"
    ready = deadlines.heard(READY, 130.0)
    assert ready.passed
    assert ready.next() == NEVER
    assert ready.overdue(1e9) is None


def test_a_line_must_match_within_the_period():
    deadlines = Deadlines(ReadySpec(log_line="started", period=2.5), 100.0)

    assert deadlines.next() == 102.5
    assert deadlines.overdue(102.5) == "no line matched 'started' within 2.5 s"
    assert not deadlines.heard(READY, 101.0).passed
    assert deadlines.matched().passed
    assert deadlines.matched().next() == NEVER


def test_of_two_tests_both_must_pass():
    both = Deadlines(ReadySpec(notify=True, log_line="started", period=60.0), 0.0)

    assert not both.heard(READY, 1.0).passed
    assert both.heard(READY, 1.0).overdue(60.0) == "no line matched 'started' within 60 s"
    assert not both.matched().passed
    assert both.matched().overdue(60.0) == "no READY=1 within 60 s"
    assert both.matched().heard(READY, 1.0).passed


def test_the_watchdog_begins_with_ready_and_each_ping_gives_it_its_time_anew():
    deadlines = Deadlines(GUARDED, 0.0).heard(PING, 1.0)
    assert deadlines.next() == 60.0, "what it says before it is ready binds it to nothing"

    deadlines = deadlines.heard(READY, 10.0)
    assert deadlines.next() == 15.0
    deadlines = deadlines.heard(PING, 14.0)
    assert deadlines.next() == 19.0
    assert deadlines.overdue(18.9) is None
    assert deadlines.overdue(19.0) == "no WATCHDOG=1 for 5 s"


def test_ready_said_again_is_no_ping():
    deadlines = Deadlines(GUARDED, 0.0).heard(READY, 10.0)

    assert deadlines.heard(READY, 14.0).next() == 15.0


def test_an_extension_moves_what_comes_before_it_and_nothing_else():
    starting = Deadlines(NOTIFY, 100.0)
    assert starting.heard(extend(5), 110.0).next() == 160.0
    longer = starting.heard(extend(30), 150.0)
    assert longer.next() == 180.0
    assert longer.heard(extend(1), 151.0).next() == 180.0
    assert longer.overdue(180.0) == "no READY=1 within 80 s"

    up = Deadlines(GUARDED, 0.0).heard(READY, 10.0).heard(extend(20), 11.0)
    assert up.next() == 31.0
    assert up.overdue(31.0) == "no WATCHDOG=1 for 21 s"
    assert up.heard(PING, 12.0).next() == 31.0
    assert up.heard(PING, 30.0).next() == 35.0


def test_the_app_may_change_its_watchdog():
    up = Deadlines(GUARDED, 0.0).heard(READY, 10.0)

    assert up.heard(Notice(watchdog_timeout=20.0), 12.0).next() == 32.0
    assert up.heard(Notice(watchdog_timeout=0.0), 12.0).next() == NEVER
    early = Deadlines(NOTIFY, 0.0).heard(Notice(watchdog_timeout=2.0), 1.0)
    assert early.next() == 60.0
    assert early.heard(READY, 10.0).next() == 12.0


def test_the_app_may_call_itself_failed():
    failed = Deadlines(ReadySpec(), 0.0).heard(Notice(watchdog="trigger"), 1.0)

    assert failed.next() <= 1.0
    assert failed.overdue(1.0) == "it asked for it (WATCHDOG=trigger)"


def test_who_ends_by_itself_is_asked_nothing_but_to_be_gone_in_time():
    up = Deadlines(GUARDED, 0.0, 30.0).heard(READY, 10.0)

    ending = up.heard(Notice(stopping=True), 12.0)
    assert ending.next() == 42.0
    assert ending.heard(Notice(stopping=True), 20.0).next() == 42.0
    assert ending.overdue(42.0) == "still there 30 s after STOPPING=1"
    assert ending.heard(extend(60), 40.0).next() == 100.0
    assert Deadlines(GUARDED, 0.0).heard(Notice(stopping=True), 12.0).next() == NEVER


@given(
    st.lists(
        st.builds(
            Notice,
            ready=st.booleans(),
            watchdog=st.sampled_from([None, "ping"]),
            watchdog_timeout=st.none() | st.floats(0, 100),
            extend_timeout=st.none() | st.floats(0, 1e14),
            stopping=st.booleans(),
        )
    ),
    st.booleans(),
)
def test_it_is_overdue_from_the_next_deadline_on_and_not_before(notices: list[Notice], line: bool):
    deadlines = Deadlines(ReadySpec(notify=True, log_line="x", watchdog=5.0), 0.0, 10.0)
    for at, notice in enumerate(notices):
        deadlines = deadlines.heard(notice, float(at))
    if line:
        deadlines = deadlines.matched()

    at = deadlines.next()

    if at == NEVER:
        assert deadlines.overdue(1e300) is None
    else:
        assert deadlines.overdue(at) is not None
        assert deadlines.overdue(at - max(1.0, at / 1e6)) is None


@pytest.mark.parametrize("spec", [NOTIFY, GUARDED, ReadySpec(log_line="x")])
def test_an_unready_run_is_always_waited_for_no_longer_than_the_period(spec: ReadySpec):
    assert Deadlines(spec, 7.0).next() == 67.0
