"""A changed oxfile: who takes it, who is left alone, and what is said about the rest."""

from pathlib import Path

import pytest

from oxtrio.model.order import Verb
from oxtrio.model.spec import ReadySpec, RestartSpec, StopSpec
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, is_alive, program, read_pid

pytestmark = pytest.mark.slow

SLEEP = ("/bin/sleep", "600")
OTHER = ("/bin/sleep", "601")


def up(here: Engine) -> list[str]:
    return [row.name for row in here.supervisor.status(()) if row.status is State.RUNNING]


async def test_only_what_is_named_takes_its_new_spec(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        await here.start()
        b = here.pid("b")
        here.take(an_app("a", OTHER), an_app("b", OTHER))

        report = await here.order(Verb.RELOAD, "a")

        assert report.ok
        assert report.notes == ("changed: oxtrio reload b",)
        await eventually(lambda: _argument(here.pid("a")) == "601")
        assert here.pid("b") == b


def _argument(pid: int) -> str:
    """Its first argument; "" while the program is being loaded."""
    return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[2].partition("\0")[0]


async def test_a_start_names_what_has_changed_and_touches_nothing(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        await here.start("a")
        a = here.pid("a")
        here.take(an_app("a", OTHER), an_app("b", OTHER))

        report = await here.start()

        assert report.notes == ("changed: oxtrio reload a",)
        assert here.pid("a") == a
        await eventually(lambda: _argument(here.pid("b")) == "601")


async def test_without_a_change_nothing_is_reloaded_where_that_was_asked(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        await here.start()
        pids = here.pid("a"), here.pid("b")
        report = await here.order(Verb.RELOAD, if_changed=True)
        assert report.notes == ("no changes",)
        here.take(an_app("a", SLEEP), an_app("b", OTHER))
        await here.order(Verb.RELOAD, if_changed=True)

        assert here.pid("a") == pids[0]
        assert here.pid("b") != pids[1]


async def test_there_are_never_two_of_one_instance(tmp_path: Path) -> None:
    app = an_app("a", "sleep 600; true", instances=3)
    async with engine(tmp_path, app) as here:
        await here.start()
        before = {here.pid(f"a:{number}") for number in range(3)}
        most = 0

        def count(step: object) -> None:
            nonlocal most
            most = max(most, sum(here.status(f"a:{n}").pid is not None for n in range(3)))
            assert len(here.marked()) <= 6

        await here.order(Verb.RELOAD, tell=count)

        assert most <= 3
        assert before.isdisjoint({here.pid(f"a:{number}") for number in range(3)})


async def test_a_first_instance_that_fails_ends_the_roll_and_the_others_stay(
    tmp_path: Path,
) -> None:
    app = an_app("a", SLEEP, instances=3)
    async with engine(tmp_path, app) as here:
        await here.start()
        others = here.pid("a:1"), here.pid("a:2")
        restart, ready = RestartSpec(always=False), ReadySpec(start=0.5)
        here.take(an_app("a", "echo bad; exit 3", instances=3, restart=restart, ready=ready))

        report = await here.order(Verb.RELOAD)

        assert [failure.name for failure in report.failures] == ["a:0"]
        assert report.failures[0].last_lines == ("bad",)
        assert (here.pid("a:1"), here.pid("a:2")) == others


@pytest.mark.parametrize("verb", [Verb.RELOAD, Verb.RESTART])
async def test_more_instances_are_started_and_fewer_are_stopped(tmp_path: Path, verb: Verb) -> None:
    async with engine(tmp_path, an_app("a", SLEEP)) as here:
        await here.start()
        here.take(an_app("a", SLEEP, instances=3))
        await here.order(verb, "a")
        assert up(here) == ["a:0", "a:1", "a:2"]
        pids = [here.pid(f"a:{number}") for number in range(3)]
        here.take(an_app("a", SLEEP, instances=1))
        since = len(here.told())

        await here.order(verb, "a")

        await eventually(lambda: not any(map(is_alive, pids)))
        assert up(here) == ["a"]
        stopped = {name for name, state in here.told()[since:] if state == "stopped"}
        assert stopped >= {"a:1", "a:2"}


async def test_instances_that_return_wait_for_the_end_of_those_that_leave(tmp_path: Path) -> None:
    """From two to one and back while the second one still takes its time to stop."""
    command = program("stubborn.py", f"{tmp_path}/ready", "TERM")
    stop = StopSpec(timeout=0.5)
    two, one = (an_app("a", command, instances=number, stop=stop) for number in (2, 1))
    async with engine(tmp_path, two) as here:
        await here.start()
        await eventually(lambda: read_pid(tmp_path / "ready"))
        old = here.pid("a:1")
        here.take(one)
        await here.order(Verb.RELOAD, wait=False)
        await here.until(lambda: len(here.supervisor.instances()) == 1)
        here.take(two)
        await here.order(Verb.RELOAD, wait=False)
        await here.until(lambda: len(here.supervisor.instances()) == 2)
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.status("a:1").pid is not None)

        assert not is_alive(old)


async def test_an_app_that_vanished_runs_on_until_it_is_stopped_and_is_then_forgotten(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("gone", SLEEP)) as here:
        await here.start()
        here.take(an_app("a", SLEEP))
        report = await here.start()
        assert report.notes == ("no longer in the oxfile: oxtrio stop gone",)
        assert up(here) == ["a", "gone"]
        pid = here.pid("gone")

        await here.order(Verb.STOP, "gone")
        await here.start()

        assert not is_alive(pid)
        assert list(here.supervisor.apps) == ["a"]


async def test_an_app_that_vanished_is_only_reloaded_by_its_name(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        await here.start()
        a, b = here.pid("a"), here.pid("b")
        here.take(an_app("a", SLEEP))

        report = await here.order(Verb.RELOAD)

        assert report.notes == ("no longer in the oxfile: oxtrio stop b",)
        assert (here.pid("a") == a, here.pid("b") == b) == (False, True)
        await here.order(Verb.RELOAD, "b")
        assert here.pid("b") != b


async def test_an_app_that_vanished_and_returned_is_one_app(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        await here.start()
        for _ in range(3):
            here.take(an_app("a", SLEEP))
            await here.order(Verb.STOP, "b")
            await here.start()
            here.take(an_app("b", SLEEP), an_app("a", SLEEP))
            await here.start()

        assert up(here) == ["b", "a"]
        assert len(here.marked()) == 2


async def test_an_app_that_arrived_is_started_and_shown_in_its_place(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("c", SLEEP)) as here:
        await here.start()
        here.take(an_app("a", SLEEP), an_app("b", SLEEP), an_app("c", SLEEP))
        await here.start()

        assert up(here) == ["a", "b", "c"]


async def test_what_is_stopped_stays_stopped_and_that_is_said(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP)) as here:
        await here.start()
        await here.order(Verb.STOP, "a")
        report = await here.order(Verb.RELOAD)

        assert report.notes == ("a is stopped: oxtrio start a",)
        assert up(here) == []


async def test_a_dry_run_starts_nothing(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP, instances=2), an_app("b", SLEEP)) as here:
        report = await here.order(Verb.START, dry_run=True)
        assert report.notes == ("Would start: a (×2 instances), b",)

        assert here.marked() == []


async def test_a_new_environment_holds_for_all_that_starts_from_then_on(tmp_path: Path) -> None:
    app = an_app("a", "echo value=$VALUE; exec sleep 600")
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: "value=\n" in here.log("a"))
        environ = {**here.supervisor.environ, "VALUE": "new"}
        await here.order(Verb.RESTART, env=tuple(environ.items()))

        await eventually(lambda: "value=new\n" in here.log("a"))
