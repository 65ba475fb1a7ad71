"""How many instances there are can be changed while they serve."""

from pathlib import Path

import pytest
import trio

from oxtrio.errors import OxtrioError, UsageError
from oxtrio.model.order import Report, Verb
from oxtrio.model.spec import ListenSpec, RestartSpec
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, is_alive
from tests.supervisor.serving import (
    Answered,
    ask,
    asking,
    connect,
    is_refused,
    reload,
    request,
    somewhere,
    web,
)
from tests.system.clients import free_port

pytestmark = pytest.mark.slow

SLEEP = ("/bin/sleep", "600")


async def scale(here: Engine, count: int, name: str = "web") -> Report:
    return await here.order(Verb.SCALE, name, instances=count)


def running(here: Engine) -> list[str]:
    return [row.name for row in here.supervisor.status(()) if row.status is State.RUNNING]


async def test_more_share_the_connections_as_soon_as_they_are_ready(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--accept-after", "0.3")) as here:
        await here.start()
        pid = here.pid("web")
        async with asking(listen) as client:
            report = await scale(here, 3)

            assert report.ok
            assert [step.state for step in report.done] == [State.RUNNING] * 3
            await here.until(lambda: len({each.pid for each in client.answers}) == 3)
        assert here.pid("web:0") == pid


async def test_nobody_waits_for_one_that_is_not_ready(tmp_path: Path) -> None:
    """What is new gets no connections before it accepts them."""
    listen = somewhere()
    flag = tmp_path / "flag"
    server = " ".join(web(listen).command)
    script = f'[ "$OXTRIO_INSTANCE_ID" = 0 ] || while [ ! -e {flag} ]; do sleep 0.01; done; '
    async with engine(tmp_path, an_app("web", f"{script}exec {server}", listen=(listen,))) as here:
        await here.start()
        pid = here.pid("web")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scale, here, 2)
            await here.until(lambda: len(here.supervisor.instances()) == 2)
            await here.until(lambda: here.instance("web:1").state is State.STARTING)
            assert {(await ask(listen)).pid for _ in range(40)} == {pid}
            flag.touch()


async def test_fewer_end_what_they_have_begun(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--slow", "1", instances=3)) as here:
        await here.start()
        streams = [await connect(listen) for _ in range(15)]
        answers: list[Answered] = []

        async def finish(stream: trio.SocketStream) -> None:
            async with stream:
                answers.append(await request(stream, "/slow"))

        old = [here.pid(f"web:{number}") for number in range(3)]
        async with asking(listen), trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(finish, stream)
            report = await scale(here, 1)

        assert report.ok
        assert len(answers) == 15
        assert {each.pid for each in answers} <= set(old)
        assert [step.name for step in report.done] == ["web"]
        assert [is_alive(pid) for pid in old] == [True, False, False]
        assert here.pid("web") == old[0]


async def test_up_and_down_and_up_again_is_one_app(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        async with asking(listen):
            for count in (3, 1, 4, 2):
                assert (await scale(here, count)).ok
                assert len(running(here)) == count
                await eventually(lambda count=count: len(here.marked()) == count)


async def test_the_number_holds_until_the_oxfile_says_another(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        await scale(here, 3)
        assert (await reload(here, web(listen, release="2"))).ok
        assert running(here) == ["web:0", "web:1", "web:2"]
        await here.start()
        assert (await here.order(Verb.RESTART)).ok
        assert len(running(here)) == 3
        assert (await reload(here, web(listen, release="3", instances=2))).ok

        assert running(here) == ["web:0", "web:1"]
        assert {(await ask(listen)).release for _ in range(10)} == {"3"}


async def test_scaling_alone_is_no_change_of_the_oxfile(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        await scale(here, 2)
        report = await here.order(Verb.RELOAD, if_changed=True)

        assert report.notes == ("no changes",)
        assert (await here.order(Verb.START)).notes == ()


async def test_one_that_does_not_get_up_is_reported_and_the_others_serve(tmp_path: Path) -> None:
    listen, flag = somewhere(), tmp_path / "flag"
    server = " ".join(web(listen).command)
    script = f'[ "$OXTRIO_INSTANCE_ID" = 0 ] || [ -e {flag} ] || exit 3; exec {server}'
    app = an_app("web", script, listen=(listen,), restart=RestartSpec(delay=0.2, limit=0))
    async with engine(tmp_path, app) as here:
        await here.start()
        async with asking(listen):
            report = await scale(here, 2)
            assert [failure.name for failure in report.failures] == ["web:1"]
            assert "exit code 3" in report.failures[0].reason
            flag.touch()
            await here.until(lambda: len(running(here)) == 2)


async def test_what_is_stopped_has_its_number_for_the_next_start(tmp_path: Path) -> None:
    async with engine(tmp_path, web(somewhere())) as here:
        report = await scale(here, 2)
        assert report.ok
        assert [step.state for step in report.done] == [State.STOPPED] * 2
        await here.start()

        assert running(here) == ["web:0", "web:1"]


async def test_an_app_without_an_address_is_scaled_too(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("web", SLEEP)) as here:
        await here.start()
        pid = here.pid("web")
        assert (await scale(here, 3)).ok
        assert here.pid("web:0") == pid
        assert (await scale(here, 1)).ok

        assert here.pid("web") == pid
        await eventually(lambda: here.marked() == [pid])


async def test_each_instance_without_a_held_address_has_a_port_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    app = an_app("web", "echo $PORT; exec sleep 600", port=port)
    async with engine(tmp_path, app) as here:
        await here.start()
        await scale(here, 2)

        await eventually(lambda: here.log("web").split() == [str(port), str(port + 1)])


async def test_a_scaling_waits_for_a_reload_and_the_other_way_round(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=2)) as here:
        await here.start()
        here.take(web(listen, "--accept-after", "0.3", release="2", instances=2))
        reports = []

        async def carry_out(verb: Verb, **rest: object) -> None:
            reports.append(await here.order(verb, "web", **rest))

        async with asking(listen), trio.open_nursery() as nursery:
            nursery.start_soon(carry_out, Verb.RELOAD)
            await here.until(lambda: here.instance("web:0").newcomer is not None)
            await scale(here, 1)
            await reload(here, web(listen, release="3", instances=2))

        assert [report.ok for report in reports] == [True]
        assert (await ask(listen)).release == "3"
        assert running(here) == ["web"]


async def test_a_reload_that_waited_does_not_miss_who_was_scaled_away(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=3)) as here:
        await here.start()
        reports = []

        async def carry_out() -> None:
            reports.append(await here.order(Verb.RELOAD))

        async with trio.open_nursery() as nursery, here.supervisor.apps["web"].rolling:
            nursery.start_soon(scale, here, 1)
            await trio.testing.wait_all_tasks_blocked(0.02)
            nursery.start_soon(carry_out)
            await trio.testing.wait_all_tasks_blocked(0.02)

        assert reports[0].ok, reports
        assert running(here) == ["web"]


async def test_a_unix_socket_is_not_shared(tmp_path: Path) -> None:
    listen = ListenSpec(path=str(tmp_path / "web.sock"))
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        with pytest.raises(OxtrioError) as refused:
            await scale(here, 2)

        assert refused.value.message.startswith("cannot scale web: several instances cannot share")
        assert (await ask(listen)).pid == here.pid("web")


async def test_each_instance_may_have_a_unix_socket_of_its_own(tmp_path: Path) -> None:
    listen = ListenSpec(path=str(tmp_path / "web-${instance}.sock"))
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        assert (await scale(here, 2)).ok
        paths = [ListenSpec(path=str(tmp_path / f"web-{number}.sock")) for number in (0, 1)]
        for number, path in enumerate(paths):
            assert (await ask(path)).pid == here.pid(f"web:{number}")
        assert (await scale(here, 1)).ok

        assert await is_refused(paths[1])
        assert (await ask(paths[0])).pid == here.pid("web")


@pytest.mark.parametrize("count", [None, 0, -1])
async def test_a_number_from_1_on_is_needed(tmp_path: Path, count: int | None) -> None:
    async with engine(tmp_path, web(somewhere())) as here:
        with pytest.raises(UsageError, match="a number from 1 on"):
            await here.order(Verb.SCALE, "web", instances=count)


async def test_the_name_of_one_app_is_needed(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("a", SLEEP), an_app("b", SLEEP)) as here:
        for names in ((), ("a", "b"), ("*",)):
            with pytest.raises(UsageError, match="the name of one app"):
                await here.order(Verb.SCALE, *names, instances=2)
