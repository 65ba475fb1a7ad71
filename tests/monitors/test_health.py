"""Runs are asked how they are, each on its own, and told what that means."""

import math
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.spec import HealthSpec, OnUnhealthy
from oxtrio.monitors import health
from oxtrio.monitors.health import answer_of, watch_health
from oxtrio.system.probes import Connect
from tests.monitors.fakes import FakeRun, feed

PASS = Answer(True, "200 OK")
FAIL = Answer(False, "connection refused")
SPEC = HealthSpec(endpoint="http://api/", interval=10, timeout=5)


class Endpoints:
    """What each endpoint answers, and when it was asked. The last answer is repeated."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.asked: list[tuple[float, str]] = []
        self.slowness: dict[str, float] = {}
        self.busy: set[str] = set()

    async def probe(self, endpoint: str, spec: HealthSpec, connect: Connect) -> Answer:
        assert endpoint not in self.busy, "probes of one app overlap"
        self.asked.append((trio.current_time(), endpoint))
        self.busy.add(endpoint)
        try:
            await trio.sleep(self.slowness.get(endpoint, 0))
        finally:
            self.busy.discard(endpoint)
        coming = self.answers.get(endpoint, [PASS])
        answer = coming.pop(0) if len(coming) > 1 else coming[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def times(self, endpoint: str = "http://api/") -> list[float]:
        return [at for at, asked in self.asked if asked == endpoint]


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    them = Endpoints()
    monkeypatch.setattr(health, "probe", them.probe)
    monkeypatch.setattr(health, "crc32", lambda _: 0)  # no jitter
    return them


async def watch(*runs: FakeRun, seconds: float) -> list[tuple[str, BaseException]]:
    """Watch *runs* for so long; returns the bugs that were reported."""
    bugs: list[tuple[str, BaseException]] = []

    def report(what: str, bug: BaseException) -> None:
        bugs.append((what, bug))

    with trio.move_on_after(seconds):
        await watch_health(feed(*runs), report)
    return bugs


async def test_a_run_that_answers_is_ready_at_once(endpoints: Endpoints, autojump_clock: MockClock):
    run = FakeRun(health=SPEC)

    await watch(run, seconds=25)

    assert run.told == [(0, "ready")]
    assert endpoints.times() == [0, 10, 20]


async def test_a_run_that_starts_slowly_is_asked_often_until_it_answers(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.answers["http://api/"] = [FAIL] * 7 + [PASS]
    run = FakeRun(health=SPEC)

    await watch(run, seconds=15)

    assert run.told == [(4.5, "ready")]
    assert run.answers[0] == FAIL
    assert endpoints.times() == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 2.5, 3.5, 4.5, 14.5])


async def test_nothing_is_asked_before_the_initial_delay_is_over(
    endpoints: Endpoints, autojump_clock: MockClock
):
    run = FakeRun(health=replace(SPEC, initial_delay=7))

    await watch(run, seconds=8)

    assert endpoints.times() == [7]


async def test_the_initial_delay_of_an_adopted_run_is_long_over(
    endpoints: Endpoints, autojump_clock: MockClock
):
    run = FakeRun(health=replace(SPEC, initial_delay=7), ready=True)
    run.spawned_at -= 100

    await watch(run, seconds=8)

    assert endpoints.times() == [0]
    assert run.told == []


async def test_a_run_that_never_answers_has_failed_and_is_asked_no_more(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.answers["http://api/"] = [FAIL]
    run = FakeRun(health=replace(SPEC, start_period=3))

    await watch(run, seconds=100)

    [(at, what)] = run.told
    assert at == 3.5
    assert what == "never ready: health check did not pass within 3 s: connection refused"
    assert max(endpoints.times()) == 3.5


async def test_failures_in_a_row_are_told_once_and_end_the_watch(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.answers["http://api/"] = [PASS, FAIL]
    run = FakeRun(health=SPEC)

    await watch(run, seconds=100)

    why = "unwell: 3 health checks in a row failed: connection refused"
    assert run.told == [(0, "ready"), (30, why)]
    assert endpoints.times() == [0, 10, 20, 30]


async def test_a_flapping_run_is_left_alone(endpoints: Endpoints, autojump_clock: MockClock):
    endpoints.answers["http://api/"] = [PASS, FAIL] * 20
    run = FakeRun(health=SPEC)

    await watch(run, seconds=300)

    assert run.told == [(0, "ready")]
    assert FAIL in run.answers


async def test_what_is_left_running_when_unwell_is_told_when_it_is_well(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.answers["http://api/"] = [PASS, FAIL, FAIL, PASS]
    spec = replace(SPEC, unhealthy_threshold=2, on_unhealthy=OnUnhealthy.NOTHING)
    run = FakeRun(health=spec)

    await watch(run, seconds=100)

    assert [what.partition(":")[0] for _, what in run.told] == ["ready", "unwell", "well"]


async def test_a_monitor_that_began_anew_knows_who_was_unwell(
    endpoints: Endpoints, autojump_clock: MockClock
):
    spec = replace(SPEC, on_unhealthy=OnUnhealthy.NOTHING)
    run = FakeRun(health=spec, ready=True, unhealthy=True)

    await watch(run, seconds=1)

    assert run.told == [(0, "well")]


async def test_a_paused_run_is_not_asked(endpoints: Endpoints, autojump_clock: MockClock):
    run = FakeRun(health=SPEC, paused=True)

    await watch(run, seconds=100)

    assert endpoints.asked == []


async def test_the_answer_of_a_run_that_was_paused_meanwhile_does_not_count(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.slowness["http://api/"] = 5
    run = FakeRun(health=SPEC)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(run, seconds=12))
        await trio.sleep(1)
        run.paused = True

    assert run.answers == []


async def test_the_answer_of_a_run_that_has_ended_meanwhile_does_not_count(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.slowness["http://api/"] = 5
    run = FakeRun(health=SPEC)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(run, seconds=100))
        await trio.sleep(1)
        run.ended.set()

    assert run.answers == []
    assert endpoints.busy == set()
    assert endpoints.times() == [0]


async def test_a_slow_app_delays_nobody_else(endpoints: Endpoints, autojump_clock: MockClock):
    endpoints.slowness["http://slow/"] = math.inf
    slow = FakeRun("slow", health=replace(SPEC, endpoint="http://slow/"))
    quick = FakeRun("quick", health=SPEC)

    await watch(slow, quick, seconds=25)

    assert quick.told == [(0, "ready")]
    assert endpoints.times() == [0, 10, 20]


async def test_probes_of_one_app_do_not_overlap(endpoints: Endpoints, autojump_clock: MockClock):
    endpoints.slowness["http://api/"] = 4
    run = FakeRun(health=replace(SPEC, interval=1))

    await watch(run, seconds=30)

    assert endpoints.times() == [0, 5, 10, 15, 20, 25]


async def test_a_run_without_a_health_check_is_left_alone(
    endpoints: Endpoints, autojump_clock: MockClock
):
    await watch(FakeRun(), seconds=100)

    assert endpoints.asked == []


async def test_a_bug_in_one_probe_is_reported_and_hurts_nobody_else(
    endpoints: Endpoints, autojump_clock: MockClock
):
    endpoints.answers["http://odd/"] = [KeyError("a bug"), PASS]
    odd = FakeRun("odd", health=replace(SPEC, endpoint="http://odd/"))
    quick = FakeRun("quick", health=SPEC)

    bugs = await watch(odd, quick, seconds=25)

    assert odd.told == [(10, "ready")]
    assert quick.told == [(0, "ready")]
    [(what, bug)] = bugs
    assert "odd" in what
    assert isinstance(bug, KeyError)


async def test_many_checks_drift_apart(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock):
    endpoints = Endpoints()
    monkeypatch.setattr(health, "probe", endpoints.probe)
    runs = [FakeRun(f"api:{n}", health=replace(SPEC, endpoint=f"http://{n}/")) for n in range(50)]

    await watch(*runs, seconds=15)

    second = [endpoints.times(f"http://{n}/")[1] for n in range(50)]
    assert len({round(at, 2) for at in second}) > 25
    assert all(9 <= at <= 10 for at in second)


# Health commands


async def test_a_health_command_runs_as_the_app_would(
    endpoints: Endpoints, autojump_clock: MockClock
):
    run = FakeRun(health=HealthSpec(command=("redis-cli", "ping"), timeout=3))

    await watch(run, seconds=1)

    assert run.commands == [(("redis-cli", "ping"), 3)]
    assert run.told == [(0, "ready")]
    assert endpoints.asked == []


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (CommandResult(code=0, output_tail=b"PONG\n"), Answer(True, "exit code 0")),
        (CommandResult(code=1), Answer(False, "exit code 1")),
        (
            CommandResult(code=2, output_tail=b"a\nno \x1b[31mroute\xff\n\n"),
            Answer(False, "exit code 2: no [31mroute\N{REPLACEMENT CHARACTER}"),
        ),
        (CommandResult(code=127), Answer(False, "exit code 127 (command not found)")),
        (CommandResult(code=126), Answer(False, "exit code 126 (not executable)")),
        (CommandResult(signal=11), Answer(False, "killed by SIGSEGV")),
        (CommandResult(timed_out=True, signal=9), Answer(False, "timed out after 5 s")),
        (CommandResult(error="command 'x' not found"), Answer(False, "command 'x' not found")),
        (CommandResult(), Answer(False, "exit code unknown")),
    ],
)
def test_the_end_of_a_health_command_is_an_answer(result: CommandResult, answer: Answer):
    assert answer_of(result, SPEC) == answer


def test_a_long_line_of_a_health_command_is_cut():
    result = CommandResult(code=1, output_tail=b"y" * 4096)

    assert len(answer_of(result, SPEC).text) < 250
