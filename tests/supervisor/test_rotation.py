"""Who of several instances gets new connections: the healthy, and not who was taken out."""

from collections.abc import Collection
from pathlib import Path
from signal import SIGSTOP

import pytest

from oxtrio.errors import OxtrioError
from oxtrio.model.order import Verb
from oxtrio.model.spec import AppSpec, ListenSpec, OnUnhealthy, RestartSpec
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, kill
from tests.supervisor.serving import (
    ask,
    asking,
    checked,
    connect,
    is_refused,
    probing,
    reload,
    request,
    somewhere,
    web,
)

pytestmark = pytest.mark.slow

ENOUGH = 40
"""Connections of which one of two instances gets none by chance once in 10**12 times."""


def sick_ones(listen: ListenSpec, folder: Path, count: int = 2, **changes: object) -> AppSpec:
    """Each is sick while the file of its number is there."""
    return web(listen, "--sick", f"{folder}/${{instance}}", instances=count, **changes)


async def answering(listen: ListenSpec, times: int = ENOUGH) -> set[int]:
    return {(await ask(listen)).pid for _ in range(times)}


def pids(here: Engine, *numbers: int) -> set[int]:
    return {here.pid(f"web:{number}") for number in numbers}


async def is_state(here: Engine, name: str, states: Collection[State]) -> None:
    await here.until(lambda: here.instance(name).state in states)


# Healthy and unhealthy.


async def test_an_unhealthy_one_gets_no_connections_until_it_is_well_again(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    health = checked(listen, on_unhealthy=OnUnhealthy.NOTHING)
    async with (
        engine(tmp_path, sick_ones(listen, tmp_path, health=health)) as here,
        probing(here),
    ):
        await here.start()
        assert await answering(listen) == pids(here, 0, 1)
        (tmp_path / "0").touch()
        await is_state(here, "web:0", {State.UNHEALTHY})
        assert await answering(listen) == pids(here, 1)
        (tmp_path / "0").unlink()
        await is_state(here, "web:0", {State.RUNNING})

        assert await answering(listen) == pids(here, 0, 1)
        assert here.status("web:0").restarts == 0


async def test_an_unhealthy_one_is_out_of_the_rotation_before_it_is_restarted(
    tmp_path: Path,
) -> None:
    """So nobody notices, although everything that it is asked takes it a while to end."""
    listen = somewhere()
    app = sick_ones(listen, tmp_path, health=checked(listen))
    async with engine(tmp_path, app) as here, probing(here):
        await here.start()
        old = here.pid("web:0")
        async with asking(listen):
            (tmp_path / "0").touch()
            await here.until(lambda: here.instance("web:0").restarts >= 1)
            (tmp_path / "0").unlink()
            await is_state(here, "web:0", {State.RUNNING})

        assert here.pid("web:0") != old
        assert ("web:0", "unhealthy") in here.told()
        assert await answering(listen) == pids(here, 0, 1)


async def test_where_nobody_is_well_all_of_them_serve(tmp_path: Path) -> None:
    listen = somewhere()
    health = checked(listen, on_unhealthy=OnUnhealthy.NOTHING)
    async with (
        engine(tmp_path, sick_ones(listen, tmp_path, health=health)) as here,
        probing(here),
    ):
        await here.start()
        for number in (0, 1):
            (tmp_path / str(number)).touch()
        for number in (0, 1):
            await is_state(here, f"web:{number}", {State.UNHEALTHY})

        assert await answering(listen) == pids(here, 0, 1)


async def test_clients_go_to_the_others_while_one_is_down(tmp_path: Path) -> None:
    listen = somewhere()
    app = web(listen, instances=2, restart=RestartSpec(delay=60.0))
    async with engine(tmp_path, app) as here:
        await here.start()
        kill(here.pid("web:0"))
        await is_state(here, "web:0", {State.BACKOFF})

        assert await answering(listen) == pids(here, 1)
        await here.order(Verb.RESET, "web:0")
        await is_state(here, "web:0", {State.RUNNING})
        assert await answering(listen) == pids(here, 0, 1)


async def test_one_that_is_stopped_leaves_the_address_to_the_others(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=2)) as here:
        await here.start()
        async with asking(listen):
            await here.order(Verb.STOP, "web:0")

        assert await answering(listen) == pids(here, 1)
        assert here.status("web:0").listen == ()
        await here.order(Verb.STOP, "web:1")
        assert await is_refused(listen)


async def test_a_sick_one_is_replaced_by_a_reload(tmp_path: Path) -> None:
    listen = somewhere()
    health = checked(listen, on_unhealthy=OnUnhealthy.NOTHING)
    sick = sick_ones(listen, tmp_path, 1, health=health)
    async with engine(tmp_path, sick) as here, probing(here):
        await here.start()
        (tmp_path / "0").touch()
        await is_state(here, "web", {State.UNHEALTHY})
        async with asking(listen) as client:
            report = await reload(here, web(listen, release="2", health=health))

        assert report.ok, report
        assert client.releases == ["1", "2"]
        assert here.status("web").status is State.RUNNING


# What an operator takes out.


async def test_one_that_is_drained_runs_on_without_new_connections(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--slow", "0.5", instances=2)) as here:
        await here.start()
        both = pids(here, 0, 1)
        streams = [await connect(listen) for _ in range(10)]
        report = await here.order(Verb.DRAIN, "web:0")

        assert report.ok
        assert [step.state for step in report.done] == [State.DRAINED]
        assert here.status("web:0").status is State.DRAINED
        assert await answering(listen) == pids(here, 1)
        for stream in streams:
            async with stream:
                await request(stream, "/slow")
        report = await here.order(Verb.RESUME, "web:0")
        assert [step.state for step in report.done] == [State.RUNNING]
        assert await answering(listen) == both == pids(here, 0, 1)
        assert [state for _, state in here.told("web:0")][-2:] == [State.DRAINED, State.RUNNING]


async def test_one_that_is_drained_stays_so_through_reload_restart_and_crash(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=2)) as here:
        await here.start()
        await here.order(Verb.DRAIN, "web:0")
        async with asking(listen):
            assert (await reload(here)).ok
            assert here.status("web:0").status is State.DRAINED
            await here.order(Verb.RESTART, "web:0")
            assert here.status("web:0").status is State.DRAINED
            kill(here.pid("web:0"))
            await here.until(lambda: here.instance("web:0").restarts == 1)
            await is_state(here, "web:0", {State.RUNNING})

        assert here.status("web:0").status is State.DRAINED
        assert await answering(listen) == pids(here, 1)


@pytest.mark.parametrize("count", [1, 2])
async def test_the_last_one_cannot_be_drained(tmp_path: Path, count: int) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=count)) as here:
        await here.start()
        if count == 2:
            await here.order(Verb.DRAIN, "web:1")
        with pytest.raises(OxtrioError) as refused:
            await here.order(Verb.DRAIN, "web:0" if count == 2 else "web")

        assert refused.value.message.startswith("cannot drain web: no other instance")
        assert refused.value.hint == f"oxtrio scale web={count + 1}"
        assert here.instance("web:0" if count == 2 else "web").shown is State.RUNNING


async def test_all_of_them_cannot_be_drained_at_once(tmp_path: Path) -> None:
    async with engine(tmp_path, web(somewhere(), instances=2)) as here:
        await here.start()
        with pytest.raises(OxtrioError, match="no other instance"):
            await here.order(Verb.DRAIN, "web")


@pytest.mark.parametrize("verb", [Verb.DRAIN, Verb.PAUSE, Verb.RESUME])
async def test_what_takes_something_out_needs_a_name(tmp_path: Path, verb: Verb) -> None:
    async with engine(tmp_path, web(somewhere(), instances=2)) as here:
        with pytest.raises(OxtrioError, match="needs the name of an app"):
            await here.order(verb)


async def test_what_oxtrio_cannot_steer_it_does_not_drain(tmp_path: Path) -> None:
    unheld, shared = tmp_path / "unheld", tmp_path / "shared"
    unheld.mkdir()
    shared.mkdir()
    async with engine(unheld, an_app("web", ("/bin/sleep", "600"), instances=2)) as here:
        await here.start()
        report = await here.order(Verb.DRAIN, "web:0")
        assert "oxtrio holds no address for it" in report.failures[0].reason
    async with engine(shared, web(somewhere(), instances=2), steered=False) as here:
        await here.start()
        report = await here.order(Verb.DRAIN, "web:0")
        assert "share one socket" in report.failures[0].reason
        assert here.status("web:0").status is State.RUNNING


async def test_one_that_is_paused_does_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=2)) as here:
        await here.start()
        pid = here.pid("web:0")
        report = await here.order(Verb.PAUSE, "web:0")
        assert report.ok
        assert here.status("web:0").status is State.PAUSED
        assert await answering(listen) == pids(here, 1)
        report = await here.order(Verb.RESUME, "web:0")

        assert (report.ok, here.pid("web:0")) == (True, pid)
        assert here.status("web:0").status is State.RUNNING
        assert await answering(listen) == pids(here, 0, 1)


async def test_who_was_stopped_by_somebody_else_gets_no_connections_either(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=2)) as here:
        await here.start()
        kill(here.pid("web:0"), SIGSTOP)
        await is_state(here, "web:0", {State.PAUSED})

        assert await answering(listen) == pids(here, 1)
        assert (await here.order(Verb.RESUME, "web:0")).ok


async def test_what_does_not_run_cannot_be_paused(tmp_path: Path) -> None:
    async with engine(tmp_path, web(somewhere())) as here:
        report = await here.order(Verb.PAUSE, "web")

        assert report.failures[0].reason == "does not run: stopped"


async def test_what_is_paused_can_be_stopped(tmp_path: Path) -> None:
    async with engine(tmp_path, web(somewhere())) as here:
        await here.start()
        await here.order(Verb.PAUSE, "web")
        report = await here.order(Verb.STOP, "web")

        assert report.ok
        await eventually(lambda: here.marked() == [])
