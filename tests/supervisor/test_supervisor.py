"""Orders to a real supervisor, one after the other and all at once."""

import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from oxtrio.errors import ConfigError, NotFound, OxtrioError, TimedOut, UsageError
from oxtrio.model.order import Until, Verb
from oxtrio.model.spec import Condition, HealthSpec, ReadySpec, RestartSpec, StopSpec
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, is_alive, kill, program, read_pid

pytestmark = pytest.mark.slow

SLEEP = ("/bin/sleep", "600")
ONCE = RestartSpec(always=False)


def states(here: Engine) -> dict[str, str]:
    return {row.name: str(row.status) for row in here.supervisor.status(())}


async def test_start_brings_everything_up_and_touches_nothing_that_runs(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        report = await here.start("a")
        assert [step.name for step in report.done] == ["a"]
        pid = here.pid("a")

        await here.start()

        assert states(here) == {"a": "running", "b": "running"}
        assert here.pid("a") == pid


async def test_a_stop_and_a_start_give_a_new_process(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP)) as here:
        await here.start()
        pid = here.pid("a")
        report = await here.order(Verb.STOP, "a")
        assert (report.ok, states(here)) == (True, {"a": "stopped"})
        assert not is_alive(pid)
        await here.start("a")

        assert here.pid("a") != pid
        assert here.status("a").restarts == 0


async def test_a_restart_replaces_every_instance(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP, instances=3)) as here:
        await here.start()
        before = {here.pid(f"a:{number}") for number in range(3)}
        report = await here.order(Verb.RESTART)
        assert report.ok
        after = {here.pid(f"a:{number}") for number in range(3)}

        assert before.isdisjoint(after)
        assert not any(map(is_alive, before))


async def test_one_that_dies_is_started_again_and_is_counted(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP)) as here:
        await here.start()
        pid = here.pid("a")
        kill(pid)
        await here.until(lambda: here.status("a").pid not in (pid, None))

        assert here.status("a").restarts == 1
        last = here.status("a").exit
        assert last is not None
        assert last.signal == "SIGKILL"
        await here.order(Verb.RESET, "a")
        assert here.status("a").restarts == 0


async def test_a_failed_start_is_told_with_the_last_words_and_goes_on_trying(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "flag"
    script = f"test -e {flag} && exec sleep 600; echo no flag; exit 3"
    restart = RestartSpec(delay=0.05, limit=0)
    app = an_app("a", script, restart=restart, ready=ReadySpec(start=0.5))
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)
        assert not report.ok
        assert report.failures[0].last_lines == ("no flag",)
        flag.touch()

        await here.until(lambda: here.status("a").status is State.RUNNING)


async def test_many_slow_stops_run_side_by_side(tmp_path: Path) -> None:
    """Each one uses up its whole patience; one after the other they would exceed the deadline."""
    apps = [
        an_app(
            f"s{number}",
            program("stubborn.py", str(tmp_path / str(number)), "TERM"),
            stop=StopSpec(timeout=1.0),
        )
        for number in range(10)
    ]
    async with engine(tmp_path, *apps) as here:
        await here.start()
        await eventually(lambda: all(read_pid(tmp_path / str(n)) for n in range(10)))
        with trio.fail_after(6):
            await here.order(Verb.STOP, "s*")

        assert set(states(here).values()) == {"stopped"}


async def test_twenty_orders_of_each_kind_at_once_end_with_one_instance(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", SLEEP), an_app("canary", SLEEP)) as here:
        await here.start()
        canary = here.pid("canary")
        verbs = [Verb.START, Verb.STOP, Verb.RESTART] * 20
        random.Random(7).shuffle(verbs)
        most = 0

        async def one(verb: Verb) -> None:
            nonlocal most
            await here.order(verb, "s")
            most = max(most, len(_sleepers(here)))

        async with trio.open_nursery() as nursery:
            for verb in verbs:
                nursery.start_soon(one, verb)
        await here.start("s")

        assert most <= 2
        assert len(_sleepers(here)) == 2
        assert here.status("s").status is State.RUNNING
        assert here.pid("canary") == canary


def _sleepers(here: Engine) -> list[int]:
    return here.marked()


@pytest.mark.parametrize("seed", range(4))
async def test_orders_in_the_moments_in_which_it_dies_are_no_bug(tmp_path: Path, seed: int) -> None:
    """The signal and the order arrive together, in either order."""
    chance = random.Random(seed)
    async with engine(tmp_path, an_app("s", SLEEP, restart=RestartSpec(limit=0))) as here:
        for _ in range(15):
            await here.start("s")
            await here.until(lambda: here.status("s").pid is not None)
            with suppress(ProcessLookupError):  # it may have ended in just this moment
                kill(here.pid("s"), chance.choice([signal.SIGKILL, signal.SIGTERM]))
            for _ in range(chance.randrange(4)):
                await trio.lowlevel.checkpoint()
            await here.order(chance.choice([Verb.STOP, Verb.RESTART, Verb.START]), "s")
            assert len(_sleepers(here)) <= 1


async def test_a_start_during_a_stop_waits_for_its_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    app = an_app("s", program("stubborn.py", str(ready), "TERM"), stop=StopSpec(timeout=0.3))
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        pid = here.pid("s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.order, Verb.STOP, "s")
            await here.until(lambda: here.status("s").status is State.STOPPING)
            await here.start("s")

        assert here.pid("s") != pid
        assert not is_alive(pid)


async def test_a_stop_wins_over_a_start_that_waits(tmp_path: Path) -> None:
    app = an_app("s", SLEEP, ready=ReadySpec(start=600.0, timeout=600))
    async with engine(tmp_path, app) as here:
        async with trio.open_nursery() as nursery:

            async def start() -> None:
                report = await here.order(Verb.START, "s")
                assert [each.reason for each in report.failures] == ["stopped by the operator"]

            nursery.start_soon(start)
            await here.until(lambda: here.status("s").status is State.STARTING)
            await here.order(Verb.STOP, "s")

        assert here.marked() == []


async def test_a_client_that_goes_away_ends_the_waiting_and_not_the_order(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    app = an_app("s", program("stubborn.py", str(ready), "TERM"), stop=StopSpec(timeout=0.3))
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        pid = here.pid("s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.order, Verb.RESTART, "s")
            await here.until(lambda: here.status("s").status is State.STOPPING)
            nursery.cancel_scope.cancel()

        await here.until(lambda: here.status("s").status is State.RUNNING)
        assert here.pid("s") != pid


async def test_an_order_that_takes_too_long_goes_on(tmp_path: Path) -> None:
    app = an_app("s", SLEEP, ready=ReadySpec(start=0.3))
    async with engine(tmp_path, app) as here:
        with pytest.raises(TimedOut):
            await here.order(Verb.START, "s", timeout=0.01)

        await here.until(lambda: here.status("s").status is State.RUNNING)


async def test_whoever_waits_is_told_every_step(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    async with engine(tmp_path, an_app("s", SLEEP, ready=ReadySpec(start=0.05))) as here:
        await here.order(Verb.START, tell=lambda step: told.append((step.name, step.state)))

        assert ("s", "starting") in told
        assert told[-1] == ("s", "running")


async def test_one_that_is_not_ready_in_time_has_failed_and_goes_on(tmp_path: Path) -> None:
    app = an_app("s", SLEEP, health=HealthSpec(command="false"), ready=ReadySpec(timeout=0.05))
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)

        assert [each.reason for each in report.failures] == ["not ready within 0.05 s"]
        assert here.status("s").status is State.STARTING


# Names.


async def test_apps_are_meant_by_name_number_tag_and_glob(tmp_path: Path) -> None:
    apps = [
        an_app("web", SLEEP, instances=2, tags=("front",)),
        an_app("worker", SLEEP, tags=("back",)),
        an_app("off", SLEEP, enabled=False),
    ]
    async with engine(tmp_path, *apps) as here:
        for names, expected in [
            (("web:1",), ["web:1"]),
            (("tag:back",), ["worker"]),
            (("we*",), ["web:0", "web:1"]),
            (("w*:0",), ["web:0", "worker"]),
            ((), ["web:0", "web:1", "worker"]),
            (("worker", "web"), ["web:0", "web:1", "worker"]),
            (("off",), ["off"]),
            (("web", "web:0", "web"), ["web:0", "web:1"]),
        ]:
            report = await here.order(Verb.START, *names)
            assert [step.name for step in report.done] == expected
        await here.order(Verb.STOP, "web:0")
        assert states(here) == {
            "web:0": "stopped",
            "web:1": "running",
            "worker": "running",
            "off": "running",
        }


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.UPGRADE])
async def test_a_name_that_means_nothing_is_refused_with_the_nearest_one(
    tmp_path: Path, verb: Verb
) -> None:
    async with engine(tmp_path, an_app("worker", SLEEP)) as here:
        for name in ("wroker", "worker:7", "tag:none", "x*"):
            with pytest.raises(NotFound, match=name.replace("*", r"\*")) as caught:
                await here.order(verb, name, signal="HUP")
            if name == "wroker":
                assert caught.value.hint == "did you mean worker?"


# Signals, reset, wait.


async def test_a_signal_reaches_the_main_process(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    async with engine(tmp_path, an_app("s", program("trapmark.py", str(heard)))) as here:
        await here.start()
        await eventually(lambda: heard.exists() and heard.read_text())
        for name, line in (("hup", "SIGHUP"), ("SIGUSR1", "SIGUSR1")):
            report = await here.order(Verb.SIGNAL, "s", signal=name)
            assert report.ok
            await eventually(lambda: line in heard.read_text().split())  # noqa: B023

        assert heard.read_text().split() == ["ready", "SIGHUP", "SIGUSR1"]


async def test_a_signal_to_what_does_not_run_or_that_does_not_exist_fails(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", SLEEP)) as here:
        report = await here.order(Verb.SIGNAL, "s", signal="HUP")
        assert [each.reason for each in report.failures] == ["does not run: stopped"]
        with pytest.raises(UsageError):
            await here.order(Verb.SIGNAL, "s", signal="NOSUCH")
        with pytest.raises(UsageError):
            await here.order(Verb.SIGNAL, signal="HUP")


async def test_a_reset_ends_a_backoff(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    script = f"test -e {flag} && exec sleep 600; exit 3"
    app = an_app("a", script, restart=RestartSpec(delay=600.0, delay_max=600.0))
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START)
        flag.touch()
        await here.order(Verb.RESET, "a")

        await here.until(lambda: here.status("a").status is State.RUNNING)


@pytest.mark.parametrize("until", [Until.RUNNING, Until.READY, Until.HEALTHY])
async def test_a_wait_ends_when_it_is_so(tmp_path: Path, until: Until) -> None:
    async with engine(tmp_path, an_app("s", SLEEP)) as here:
        await here.order(Verb.START, wait=False)
        report = await here.order(Verb.WAIT, "s", until=until)

        assert report.ok


async def test_a_wait_ends_when_it_can_no_longer_be_so(tmp_path: Path) -> None:
    apps = [
        an_app("bad", "exit 3", restart=ONCE, ready=ReadySpec(start=0.5)),
        an_app("needs", SLEEP, depends_on=(("bad", Condition.COMPLETED),)),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.order(Verb.START, wait=False)
        for name, state in (("bad", "crashed"), ("needs", "blocked")):
            report = await here.order(Verb.WAIT, name, until=Until.READY)
            assert report.failures[0].reason.startswith(f"it is {state}")


async def test_a_wait_for_an_end_is_told_of_a_crash_too(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "sleep 0.05; exit 3", restart=ONCE)) as here:
        await here.order(Verb.START, wait=False)

        assert (await here.order(Verb.WAIT, "s", until=Until.EXITED)).ok


# The end.


async def test_while_it_stops_nothing_new_is_started(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    app = an_app("s", program("stubborn.py", str(ready), "TERM"), stop=StopSpec(timeout=0.3))
    async with engine(tmp_path, app, an_app("other", SLEEP)) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.supervisor.stop_all)
            await here.until(lambda: here.status("s").status is State.STOPPING)
            for verb in (Verb.START, Verb.RESTART, Verb.RELOAD):
                with pytest.raises(OxtrioError, match="stopping"):
                    await here.order(verb)
            assert here.supervisor.status(("s",))


async def test_a_restart_that_is_under_way_brings_nothing_up_once_it_stops(
    tmp_path: Path,
) -> None:
    """It waits for a slow dependent when the project is told to end."""
    ready = tmp_path / "ready"
    slow = program("stubborn.py", str(ready), "TERM")
    apps = [
        an_app("db", SLEEP),
        an_app("web", slow, depends_on=(("db", None),), stop=StopSpec(timeout=0.3)),
    ]
    async with engine(tmp_path, *apps) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.order, Verb.RESTART)
            await here.until(lambda: here.status("web").status is State.STOPPING)
            await here.supervisor.stop_all()
            before = len(here.told())

        assert [state for _, state in here.told()[before:] if state == "starting"] == []
        assert states(here) == {"db": "stopped", "web": "stopped"}


async def test_a_second_stop_signal_kills_at_once(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    app = an_app("s", program("stubborn.py", str(ready), "TERM"), stop=StopSpec(timeout=600))
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.supervisor.stop_all)
            await here.until(lambda: here.status("s").status is State.STOPPING)
            here.supervisor.shutdown(kill=True)

        assert states(here) == {"s": "stopped"}


async def test_a_stop_without_a_name_asks_for_the_end_and_waits_for_it(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", SLEEP)) as here:
        await here.start()
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                await here.supervisor.shutdown_asked.wait()
                await here.supervisor.stop_all()

            nursery.start_soon(end)
            report = await here.order(Verb.STOP)

        assert report.ends_supervisor
        assert [step.state for step in report.done] == ["stopped"]


async def test_a_bug_in_one_instance_hurts_no_other_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine(tmp_path, an_app("s", SLEEP), an_app("other", SLEEP)) as here:
        await here.start()
        other, instance = here.pid("other"), here.instance("s")

        async def broken(*arguments: object) -> None:
            if arguments[0] is instance:
                monkeypatch.undo()
                raise RuntimeError("a bug")

        monkeypatch.setattr("oxtrio.process.living.find_place", broken)
        await here.order(Verb.RESTART, "s", wait=False)
        await here.until(lambda: bool(here.bugs))
        await here.until(lambda: here.status("s").status is State.RUNNING)

        [group] = here.bugs
        assert isinstance(group, ExceptionGroup)
        assert [str(bug) for bug in group.exceptions] == ["a bug"]
        assert here.pid("other") == other
        here.bugs.clear()


async def test_a_broken_oxfile_touches_nothing(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", SLEEP)) as here:
        await here.start()
        pid, before = here.pid("s"), here.told()
        here.config_error = ConfigError("oxfile.toml has 1 problem")
        for verb in (Verb.START, Verb.RESTART, Verb.RELOAD):
            with pytest.raises(ConfigError):
                await here.order(verb)

        assert (here.pid("s"), here.told()) == (pid, before)
