"""Reasons that fit into a column."""

from dataclasses import replace
from signal import SIGKILL, SIGTERM

import pytest

from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec, Condition, RestartSpec
from oxtrio.model.state import State
from oxtrio.policy.evidence import Blocker, WhyFacts
from oxtrio.policy.reasons import SHORT, short_reason

SPEC = AppSpec(name="api", command="uvicorn main:app", working_dir="/srv")
NOT_FOUND = WhyFacts(name="api", state=State.BACKOFF, spec=SPEC, exit=Exit(code=127), failures=3)
STOPPED = WhyFacts(
    name="api",
    state=State.STOPPED,
    spec=SPEC,
    reason="stopped by the operator",
    exit=Exit(signal=SIGKILL, sent_by_us=True),
)
LONG = "ValueError: " + "x" * 200


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (NOT_FOUND, "command not found: uvicorn"),
        (replace(NOT_FOUND, next_in=3), "command not found: uvicorn; starts again in 3 s"),
        (
            replace(NOT_FOUND, state=State.CRASHED),
            "gave up after 3 failures: command not found: uvicorn",
        ),
        (
            replace(
                NOT_FOUND,
                state=State.CRASHED,
                spec=replace(SPEC, restart=RestartSpec(always=False)),
            ),
            "command not found: uvicorn",
        ),
        (replace(NOT_FOUND, exit=None, reason="asked to"), "asked to"),
        (replace(NOT_FOUND, exit=None, next_in=2), "starts again in 2 s"),
        (replace(NOT_FOUND, exit=Exit(code=0)), "exit code 0"),
        (replace(NOT_FOUND, ended_because="memory 9 MB > 1 MB"), "memory 9 MB > 1 MB"),
        (replace(NOT_FOUND, state=State.RUNNING, reason="was paused"), "was paused"),
        (replace(NOT_FOUND, state=State.RUNNING), ""),
        (STOPPED, "stopped by the operator, with SIGKILL"),
        (replace(STOPPED, exit=Exit(signal=SIGTERM, sent_by_us=True)), "stopped by the operator"),
        (replace(STOPPED, exit=Exit(signal=SIGKILL)), "stopped by the operator"),
        (replace(STOPPED, ended_because="memory 9 MB > 1 MB"), "stopped by the operator"),
        (replace(NOT_FOUND, state=State.BLOCKED, reason="waits"), "waits"),
        (
            replace(
                NOT_FOUND,
                state=State.BLOCKED,
                blocked_on=Blocker(name="db", state=State.STARTING, condition=Condition.COMPLETED),
            ),
            "waits for db to complete; it is starting",
        ),
    ],
)
def test_a_reason_says_what_matters(facts: WhyFacts, reason: str):
    assert short_reason(facts) == reason


@pytest.mark.parametrize("state", [State.BACKOFF, State.CRASHED])
def test_a_reason_fits_into_its_column(state: State):
    facts = replace(NOT_FOUND, state=state, exit=Exit(code=1), last_lines=(LONG,), next_in=90)

    reason = short_reason(facts)

    assert len(reason) <= SHORT
    assert "ValueError" in reason


def test_the_time_of_the_next_start_is_never_cut_off():
    facts = replace(NOT_FOUND, exit=Exit(code=1), last_lines=(LONG,), next_in=90)

    assert short_reason(facts).endswith("…; starts again in 1 min 30 s")
