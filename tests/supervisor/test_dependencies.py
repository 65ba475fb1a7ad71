"""Who starts and stops before whom, and what happens when somebody fails."""

from pathlib import Path

import pytest
import trio

from oxtrio.model.order import Verb
from oxtrio.model.spec import AppSpec, Condition, HealthSpec, ReadySpec, RestartSpec, StopSpec
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, kill, program, read_pid

pytestmark = pytest.mark.slow

SLEEP = ("/bin/sleep", "600")
ONCE = RestartSpec(always=False)
SLOW = ReadySpec(start=0.05)


def needs(*names: str, condition: Condition | None = Condition.READY) -> dict[str, object]:
    return {"depends_on": tuple((name, condition) for name in names)}


def a_stack() -> tuple[AppSpec, ...]:
    """web needs api needs db; in another order in the oxfile."""
    return (
        an_app("web", SLEEP, **needs("api"), ready=SLOW),
        an_app("db", SLEEP, ready=SLOW),
        an_app("api", SLEEP, **needs("db"), ready=SLOW),
    )


def moments(here: Engine, state: State, since: int = 0) -> list[str]:
    return [name for name, each in here.told()[since:] if each == state]


async def test_each_starts_when_those_before_it_are_ready_and_stops_before_them(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path, *a_stack()) as here:
        await here.start()
        told = here.told()
        assert moments(here, State.STARTING) == ["db", "api", "web"]
        assert told.index(("db", "running")) < told.index(("api", "starting"))
        assert told.index(("api", "running")) < told.index(("web", "starting"))
        since = len(told)

        await here.supervisor.stop_all()

        assert moments(here, State.STOPPED, since) == ["web", "api", "db"]
        told = here.told()[since:]
        assert told.index(("web", "stopped")) < told.index(("api", "stopping"))


@pytest.mark.parametrize("names", [("*",), ("db", "api", "web"), ("all",)])
async def test_a_stop_of_names_keeps_the_order_too(tmp_path: Path, names: tuple[str, ...]) -> None:
    async with engine(tmp_path, *a_stack()) as here:
        await here.start()
        since = len(here.told())
        report = await here.order(Verb.STOP, *names)
        assert report.ok

        assert moments(here, State.STOPPED, since) == ["web", "api", "db"]


async def test_a_restart_of_all_goes_down_in_reverse_and_up_in_order(tmp_path: Path) -> None:
    async with engine(tmp_path, *a_stack()) as here:
        await here.start()
        since = len(here.told())
        report = await here.order(Verb.RESTART)
        assert report.ok

        assert moments(here, State.STOPPED, since) == ["web", "api", "db"]
        assert moments(here, State.STARTING, since) == ["db", "api", "web"]


async def test_a_start_of_one_brings_up_what_it_needs_and_no_more(tmp_path: Path) -> None:
    async with engine(tmp_path, *a_stack(), an_app("other", SLEEP)) as here:
        await here.start("api")

        found = {row.name: str(row.status) for row in here.supervisor.status(())}
        assert found == {"web": "stopped", "api": "running", "db": "running", "other": "stopped"}


async def test_what_does_not_depend_on_each_other_starts_side_by_side(tmp_path: Path) -> None:
    apps = [an_app(f"a{number}", SLEEP, ready=ReadySpec(start=0.2)) for number in range(10)]
    async with engine(tmp_path, *apps) as here:
        await here.start()
        states = [state for _, state in here.told()]

        assert states == ["starting"] * 10 + ["running"] * 10


async def test_a_dependency_that_dies_touches_nobody(tmp_path: Path) -> None:
    async with engine(tmp_path, *a_stack()) as here:
        await here.start()
        web, db = here.pid("web"), here.pid("db")
        kill(db)
        await here.until(lambda: here.status("db").status is State.RUNNING)
        await here.until(lambda: here.status("db").restarts == 1)

        assert here.pid("web") == web
        assert here.status("web").restarts == 0


async def test_a_dependency_that_fails_blocks_with_the_reason_until_it_is_repaired(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "flag"
    apps = [
        an_app("migrate", f"test -e {flag} || exit 3", restart=ONCE, ready=ReadySpec(start=0.5)),
        an_app("api", SLEEP, **needs("migrate", condition=Condition.COMPLETED)),
        an_app("web", SLEEP, **needs("api")),
    ]
    async with engine(tmp_path, *apps) as here:
        report = await here.order(Verb.START)
        assert [failure.name for failure in report.failures] == ["migrate", "api", "web"]
        assert "waits for migrate to complete, but it is crashed" in report.failures[1].reason
        assert [str(here.status(name).status) for name in ("api", "web")] == ["blocked"] * 2
        assert "migrate" in (await here.supervisor.why("api")).text
        flag.touch()

        await here.order(Verb.RESTART, "migrate")

        await here.until(lambda: here.status("web").status is State.RUNNING)
        assert here.status("api").status is State.RUNNING


async def test_a_start_after_the_repair_does_not_report_the_failure_before_it(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "flag"
    apps = [
        an_app("migrate", f"test -e {flag} || exit 3", restart=ONCE, ready=ReadySpec(start=0.5)),
        an_app("web", SLEEP, **needs("migrate", condition=Condition.COMPLETED)),
    ]
    async with engine(tmp_path, *apps) as here:
        assert len((await here.order(Verb.START)).failures) == 2
        flag.touch()

        report = await here.order(Verb.START)

        assert report.ok
        assert here.status("web").status is State.RUNNING


async def test_what_is_blocked_can_be_stopped(tmp_path: Path) -> None:
    apps = [
        an_app("bad", "exit 3", restart=ONCE, ready=ReadySpec(start=0.5)),
        an_app("web", SLEEP, **needs("bad")),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.order(Verb.START)
        assert here.status("web").status is State.BLOCKED
        await here.order(Verb.STOP, "web")
        await here.order(Verb.RESTART, "bad")

        assert here.status("web").status is State.STOPPED
        assert [name for name, state in here.told("web") if state == "starting"] == []


async def test_a_command_health_check_is_not_ready_before_it_passes(tmp_path: Path) -> None:
    apps = [
        an_app("db", SLEEP, health=HealthSpec(command="true")),
        an_app("web", SLEEP, **needs("db", condition=None)),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.status("web").status is State.BLOCKED)
        await here.until(lambda: here.status("db").status is State.STARTING)
        run = here.instance("db").run
        assert run is not None
        assert (await run.run_command("exit 7", 10)).code == 7
        assert (await run.run_command("sleep 60 & sleep 60", 0.05)).timed_out
        assert here.status("web").status is State.BLOCKED

        run.became_ready()

        await here.until(lambda: here.status("web").status is State.RUNNING)


@pytest.mark.parametrize(
    ("condition", "command", "met"),
    [
        (Condition.STARTED, "sleep 600", True),
        (Condition.COMPLETED, "exit 0", True),
        (Condition.COMPLETED, "exit 3", False),
        (Condition.EXITED, "exit 3", True),
        (Condition.EXITED, "exit 0", True),
        (Condition.READY, "exit 0", True),
    ],
)
async def test_each_condition_is_met_by_what_it_names(
    tmp_path: Path, condition: Condition, command: str, met: bool
) -> None:
    apps = [
        an_app("first", command, restart=ONCE, ready=ReadySpec(start=0.3)),
        an_app("second", SLEEP, **needs("first", condition=condition)),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.order(Verb.START)

        expected = State.RUNNING if met else State.BLOCKED
        assert here.status("second").status is expected


async def test_specs_of_two_times_that_wait_for_each_other_can_still_be_stopped(
    tmp_path: Path,
) -> None:
    """`a` runs as it was when it needed `b`; now `b` needs `a`, and was reloaded alone."""
    a, b = an_app("a", SLEEP, **needs("b")), an_app("b", SLEEP)
    async with engine(tmp_path, a, b) as here:
        await here.start()
        here.take(an_app("a", SLEEP), an_app("b", SLEEP, **needs("a")))
        await here.order(Verb.RELOAD, "b")
        assert here.supervisor.apps["a"].spec == a

        with trio.fail_after(10):
            await here.order(Verb.STOP, "*")
            await here.start()
            await here.supervisor.stop_all()


async def test_a_slow_stop_holds_up_only_what_it_depends_on(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    slow = program("stubborn.py", str(ready), "TERM")
    apps = [
        an_app("db", SLEEP),
        an_app("web", slow, **needs("db"), stop=StopSpec(timeout=0.4)),
        an_app("other", SLEEP),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        since = len(here.told())
        await here.order(Verb.STOP, "*")

        assert moments(here, State.STOPPED, since) == ["other", "web", "db"]
