"""When a project ends by itself, and with which code."""

from pathlib import Path

import pytest
import trio

from oxtrio.model.order import Verb
from oxtrio.model.spec import AppSpec, Condition, OnExit, ReadySpec, RestartSpec
from oxtrio.supervisor.ending import Ending
from tests.engine import Engine, an_app, engine, kill

pytestmark = pytest.mark.slow

SLEEP = ("/bin/sleep", "600")
ONCE = RestartSpec(always=False)


def once(name: str, command: str, **rest: object) -> AppSpec:
    return an_app(name, command, restart=ONCE, ready=ReadySpec(start=0.3), **rest)


async def code_of(here: Engine) -> int:
    """Start everything, wait for the end; the exit code."""
    ending = Ending(here.supervisor, when_all_ended=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ending.watch)
        await here.order(Verb.START, wait=False)
    assert here.supervisor.stopping
    await here.supervisor.stop_all()
    return ending.exit_code


async def test_it_ends_with_0_when_all_have_ended_as_meant(tmp_path: Path) -> None:
    async with engine(tmp_path, once("a", "exit 0"), once("b", "sleep 0.05")) as here:
        assert await code_of(here) == 0


async def test_it_ends_with_the_code_of_the_first_that_crashed(tmp_path: Path) -> None:
    async with engine(tmp_path, once("a", "sleep 0.1; exit 9"), once("b", "exit 7")) as here:
        assert await code_of(here) == 7


async def test_one_that_ends_all_takes_the_others_with_it(tmp_path: Path) -> None:
    main = once("main", "sleep 0.05; exit 5", on_exit=OnExit.SHUTDOWN)
    async with engine(tmp_path, main, an_app("other", SLEEP)) as here:
        assert await code_of(here) == 5


async def test_the_code_of_a_signal_is_that_of_a_shell(tmp_path: Path) -> None:
    async with engine(tmp_path, once("a", "kill -KILL $$")) as here:
        assert await code_of(here) == 137


async def test_what_waits_in_vain_keeps_nothing_alive(tmp_path: Path) -> None:
    waits = an_app("waits", SLEEP, depends_on=(("bad", Condition.COMPLETED),))
    chain = an_app("chain", SLEEP, depends_on=(("waits", None),))
    async with engine(tmp_path, once("bad", "exit 3"), waits, chain) as here:
        assert await code_of(here) == 3


async def test_a_crash_that_was_repaired_does_not_count_its_later_stop(tmp_path: Path) -> None:
    """It crashed, was started again, ran well, and was stopped with a signal by the operator."""
    flag = tmp_path / "flag"
    app = once("a", f"test -e {flag} || exit 7; exec sleep 600")
    async with engine(tmp_path, app, an_app("b", SLEEP)) as here:
        ending = Ending(here.supervisor, when_all_ended=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ending.watch)
            await here.order(Verb.START)
            flag.touch()
            await here.start("a")
            here.supervisor.shutdown(kill=False)
            await here.supervisor.stop_all()
            nursery.cancel_scope.cancel()

        assert ending.exit_code == 0


async def test_while_something_runs_or_will_run_it_does_not_end(tmp_path: Path) -> None:
    apps = [an_app("a", SLEEP, restart=RestartSpec(delay=0.05)), once("b", "exit 0")]
    async with engine(tmp_path, *apps) as here:
        ending = Ending(here.supervisor, when_all_ended=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ending.watch)
            await here.start()
            kill(here.pid("a"))
            await here.until(lambda: here.status("a").restarts == 1)

            assert not here.supervisor.shutdown_asked.is_set()
            nursery.cancel_scope.cancel()
