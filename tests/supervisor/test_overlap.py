"""Reload beside what runs: the newcomer proves itself, takes over, and nobody has noticed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest
import trio

from oxtrio.model.order import Report, Verb
from oxtrio.model.spec import (
    AppSpec,
    HealthSpec,
    ListenSpec,
    ReadySpec,
    ReloadManner,
    ReloadSpec,
    RestartSpec,
    StopSpec,
)
from oxtrio.model.state import State
from tests.engine import Engine, an_app, engine, eventually, is_alive, kill
from tests.supervisor.serving import (
    Told,
    ask,
    asking,
    checked,
    connect,
    held,
    is_refused,
    probing,
    reload,
    request,
    somewhere,
    until_served,
    web,
)

pytestmark = pytest.mark.slow

WAYS = pytest.mark.parametrize("steered", [True, False], ids=["steered", "shared"])
SOON = ReadySpec(timeout=1.0)
"""A newcomer that is not ready after a second is rejected."""


@asynccontextmanager
async def ordering(here: Engine, order: Callable[[], object]) -> AsyncIterator[list[Report]]:
    """Inside, an order is under way; after it, it is done."""
    reports: list[Report] = []

    async def carry_out() -> None:
        reports.append(await order())  # type: ignore[misc]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry_out)
        yield reports


def a_reload(here: Engine, *names: str) -> Callable[[], object]:
    return lambda: here.order(Verb.RELOAD, *names)


async def on_trial(here: Engine, name: str = "web") -> int:
    """The pid of the newcomer."""
    instance = here.instance(name)
    await here.until(lambda: instance.newcomer is not None and instance.newcomer.run is not None)
    assert instance.newcomer is not None
    assert instance.newcomer.run is not None
    return instance.newcomer.run.main_pid


# One instance.


@WAYS
async def test_no_client_notices_that_one_release_follows_the_other(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen), steered=steered) as here:
        await here.start()
        pids = {here.pid("web")}
        async with asking(listen) as client:
            for release in ("2", "3", "4"):
                report = await reload(here, web(listen, release=release))
                assert report.ok, report
                assert (report.notes, report.done[0].pid) == ((), here.pid("web"))
                pids.add(here.pid("web"))

        assert len(pids) == 4
        assert {each.pid for each in client.answers} <= pids
        assert [pid for pid in pids if is_alive(pid)] == [here.pid("web")]
        if steered:
            assert client.releases == ["1", "2", "3", "4"]
        assert here.status("web").restarts == 0
        assert here.status("web").exit is None


async def test_no_client_of_a_unix_socket_notices_either(tmp_path: Path) -> None:
    listen = ListenSpec(path=str(tmp_path / "web.sock"))
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        async with asking(listen) as client:
            for release in ("2", "3", "4"):
                assert (await reload(here, web(listen, release=release))).ok

        assert client.releases == ["1", "2", "3", "4"]


@WAYS
async def test_the_newcomer_is_asked_itself_and_its_progress_is_told(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    health = checked(listen, healthy_threshold=2)
    old = web(listen, health=health)
    async with engine(tmp_path, old, steered=steered) as here, probing(here):
        await here.start()
        told, pid = Told(), here.pid("web")
        report = await reload(here, web(listen, release="2", health=health), told=told)

        assert report.ok
        steps = told.of("web")
        expected = ["spawned pid", "waiting for health 1/2", "waiting for health 2/2", "switched"]
        assert [each for each in steps if each in expected] == expected
        assert steps[-2:] == ["draining pid", "stopped pid"]
        assert told.steps[-1].state == "running"
        assert not is_alive(pid)


@WAYS
async def test_what_is_in_progress_is_answered_by_who_began_it(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--slow", "1"), steered=steered) as here:
        await here.start()
        old = here.pid("web")
        here.take(web(listen, release="2"))
        async with await connect(listen) as stream, ordering(here, a_reload(here)):
            answer = await request(stream, "/slow")
            assert (answer.release, answer.pid) == ("1", old)

        assert (await ask(listen)).release == "2"


async def test_who_waits_in_the_queue_of_the_old_one_is_still_served_by_it(tmp_path: Path) -> None:
    """It is slow to accept: it is stopped only when it has accepted all that had arrived."""
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        old = here.pid("web")
        await here.order(Verb.PAUSE, "web")
        early = [await connect(listen) for _ in range(3)]
        here.take(web(listen, release="2"))
        async with ordering(here, a_reload(here)):
            await here.until(lambda: here.instance("web").pid != old)
            kill(old, 18)
            for stream in early:
                async with stream:
                    assert (await request(stream)).release == "1"

        assert (await ask(listen)).release == "2"


async def test_while_it_is_on_trial_the_old_one_is_shown_as_reloading(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(listen, "--accept-after", "0.5", release="2"))
        async with ordering(here, a_reload(here)):
            newcomer = await on_trial(here)
            assert (here.status("web").status, here.pid("web")) == (State.RELOADING, pid)
            assert (await ask(listen)).pid == pid

        assert (here.status("web").status, here.pid("web")) == (State.RUNNING, newcomer)


async def test_a_switched_link_to_a_release_is_a_deploy(tmp_path: Path) -> None:
    listen, current = somewhere(), tmp_path / "current"
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "RELEASE").write_text(f"release-{release}\n")
    current.symlink_to(tmp_path / "1")
    app = held("web", listen=(listen,), working_dir=str(current))
    async with engine(tmp_path, app) as here:
        await here.start()
        assert (await ask(listen)).release == "release-1"
        current.unlink()
        current.symlink_to(tmp_path / "2")
        async with asking(listen) as client:
            assert (await reload(here)).ok

        assert client.releases == ["release-1", "release-2"]


async def test_an_address_may_change_with_the_release(tmp_path: Path) -> None:
    first, second = somewhere(), somewhere()
    async with engine(tmp_path, web(first)) as here:
        await here.start()
        here.take(web(second, "--accept-after", "0.2", release="2"))
        async with ordering(here, a_reload(here)) as reports:
            await on_trial(here)
            # As soon as it is held: nobody else serves it, so its clients wait.
            assert (await ask(second)).release == "2"

        assert reports[0].ok
        assert await is_refused(first)
        assert here.status("web").listen == (str(second),)


async def test_one_more_address_comes_with_a_reload(tmp_path: Path) -> None:
    first, second = somewhere(), somewhere()
    async with engine(tmp_path, web(first)) as here:
        await here.start()
        both = replace(web(first, release="2"), listen=(first, second))
        async with asking(first):
            assert (await reload(here, both)).ok
        assert (await ask(second)).release == "2"
        async with asking(first):
            assert (await reload(here, web(first, release="3"))).ok

        assert await is_refused(second)


async def test_a_deaf_old_one_is_killed_and_the_new_one_serves_meanwhile(tmp_path: Path) -> None:
    listen = somewhere()
    app = web(listen, "--deaf", stop=StopSpec(timeout=0.5))
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("web")
        async with asking(listen) as client:
            assert (await reload(here, web(listen, release="2"))).ok

        assert client.releases == ["1", "2"]
        assert not is_alive(pid)
        assert here.status("web").restarts == 0


# The newcomer fails.

BROKEN = [
    pytest.param(("--fail",), {}, "RuntimeError: this release is broken", id="traceback"),
    pytest.param(("--never-accept",), {"ready": SOON}, "not ready within 1 s", id="never accepts"),
    pytest.param(
        ("--accept-after", "60"), {"ready": SOON}, "not ready within 1 s", id="accepts too late"
    ),
    pytest.param(
        ("--sick", "/"), {"ready": SOON, "health": True}, "503 Service Unavailable", id="is sick"
    ),
    pytest.param(
        ("--never-accept",), {"ready": SOON, "health": True}, "not ready within 1 s",
        id="never answers",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "changes", "reason"), BROKEN)
@WAYS
async def test_where_the_newcomer_fails_the_old_one_has_answered_everything(
    tmp_path: Path, steered: bool, options: tuple[str, ...], changes: dict[str, object], reason: str
) -> None:
    listen = somewhere()
    if changes.get("health"):
        changes = {**changes, "health": checked(listen, timeout=0.3)}
    same = {key: changes[key] for key in ("health",) if key in changes}
    old = web(listen, **same)
    async with engine(tmp_path, old, steered=steered) as here, probing(here):
        await here.start()
        before = here.status("web")
        async with asking(listen) as client:
            report = await reload(here, web(listen, *options, release="2", **changes))

        assert not report.ok
        [failure] = report.failures
        assert reason in failure.reason, failure
        assert failure.reason.endswith("web runs on as it was")
        after = here.status("web")
        assert (after.pid, after.status, after.restarts, after.since) == (
            before.pid,
            State.RUNNING,
            0,
            before.since,
        )
        if steered or "--sick" not in options:  # else it is sick, but accepts: nobody steers
            assert client.releases == ["1"]
        assert len(here.marked()) == 1
        if "--fail" in options:
            assert failure.last_lines[-1] == "RuntimeError: this release is broken"
        elif "60" not in options:
            assert failure.last_lines == ("serving",)
        # The next release is none the worse for it.
        assert (await reload(here, web(listen, release="3", **same))).ok
        assert (await ask(listen)).release == "3"


async def test_a_command_that_does_not_exist_leaves_the_old_one_alone(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        report = await reload(here, an_app("web", ("/no/such/program",), listen=(listen,)))

        assert "/no/such/program" in report.failures[0].reason
        assert (await ask(listen)).pid == here.pid("web") == pid


async def test_an_old_one_that_is_answered_elsewhere_does_not_vouch_for_the_newcomer(
    tmp_path: Path,
) -> None:
    """The newcomer serves a port of its own; at the held address only the old one answers."""
    listen, port = somewhere(), somewhere().port
    health = checked(listen, timeout=0.3)
    for steered in (True, False):
        folder = tmp_path / str(steered)
        folder.mkdir()
        async with (
            engine(folder, web(listen, health=health), steered=steered) as here,
            probing(here),
        ):
            await here.start()
            newer = web(listen, "--bind", str(port), release="2", health=health, ready=SOON)
            report = await reload(here, newer)

            assert "not ready within 1 s" in report.failures[0].reason
            assert (await ask(listen)).release == "1"


async def test_a_new_address_that_is_taken_leaves_the_old_one_alone(tmp_path: Path) -> None:
    first, second = somewhere(), somewhere()
    squatter = held("squatter", "--bind", str(second.port))
    async with engine(tmp_path, squatter, web(first)) as here:
        await here.start()
        await until_served(second)
        pid = here.pid("web")
        here.take(squatter, web(second, release="2"))
        report = await here.order(Verb.RELOAD, "web")

        [failure] = report.failures
        assert f"(pid {here.pid('squatter')})" in failure.reason
        assert (await ask(first)).pid == here.pid("web") == pid


# Things happen meanwhile.


async def test_an_old_one_that_is_killed_during_the_trial_comes_back_and_is_replaced(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    app = web(listen, restart=RestartSpec(delay=0.05))
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(listen, "--accept-after", "1", release="2"))
        async with ordering(here, a_reload(here)) as reports:
            newcomer = await on_trial(here)
            kill(pid)
            await here.until(lambda: here.instance("web").restarts == 1)
            assert (await ask(listen)).release == "1"

        assert reports[0].ok
        assert here.pid("web") == newcomer
        assert len(here.marked()) == 1


async def test_a_newcomer_that_is_killed_is_reported_and_nobody_else_noticed(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(listen, "--accept-after", "60", release="2"))
        async with asking(listen), ordering(here, a_reload(here)) as reports:
            kill(await on_trial(here), SIGKILL)

        assert "SIGKILL" in reports[0].failures[0].reason
        assert (here.pid("web"), here.status("web").status) == (pid, State.RUNNING)


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.RESTART])
async def test_another_order_during_the_trial_wins(tmp_path: Path, verb: Verb) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(listen, "--accept-after", "60", release="2"))
        async with ordering(here, a_reload(here)) as reports:
            newcomer = await on_trial(here)
            here.take(web(listen, release="3"))
            await here.order(verb, "web")
            assert not is_alive(newcomer)
            assert not is_alive(pid)

        assert not reports[0].ok
        if verb is Verb.STOP:
            assert here.marked() == []
            assert await is_refused(listen)
        else:
            assert (await ask(listen)).release == "3"


async def test_a_reload_waits_for_the_one_before_and_each_brings_its_release(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        most = 0

        def count(_: object) -> None:
            nonlocal most
            most = max(most, len(here.marked()))

        here.take(web(listen, "--accept-after", "0.3", release="2"))
        async with asking(listen) as client, ordering(here, a_reload(here)) as first:
            await on_trial(here)
            here.take(web(listen, release="3"))
            second = await here.order(Verb.RELOAD, tell=count)

        assert first[0].ok
        assert second.ok
        assert client.releases == ["1", "2", "3"]
        assert most <= 2


async def test_a_reload_that_waits_does_not_bring_up_what_was_stopped_meanwhile(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        here.take(web(listen, "--accept-after", "60", release="2"))
        async with ordering(here, a_reload(here)):
            await on_trial(here)
            async with ordering(here, a_reload(here)):
                await trio.testing.wait_all_tasks_blocked(0.05)
                await here.order(Verb.STOP, "web")

        assert here.status("web").status is State.STOPPED
        assert here.marked() == []
        assert await is_refused(listen)


async def test_a_reload_of_all_ends_when_the_supervisor_does(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        here.take(web(listen, "--accept-after", "60", release="2"))
        async with ordering(here, a_reload(here)) as reports:
            await on_trial(here)
            here.supervisor.shutdown(kill=False)
            await here.supervisor.stop_all()

        assert not reports[0].ok
        assert here.marked() == []


# Several instances.


def three(listen: ListenSpec, *options: str, parallel: int = 1, **changes: object) -> AppSpec:
    return web(listen, *options, instances=3, reload=ReloadSpec(parallel=parallel), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_instances_are_replaced_so_many_at_a_time(tmp_path: Path, parallel: int) -> None:
    listen = somewhere()
    async with engine(tmp_path, three(listen, parallel=parallel)) as here:
        await here.start()
        old = {here.pid(f"web:{number}") for number in range(3)}
        most = 0

        def count(_: object) -> None:
            nonlocal most
            trials = [each for each in here.supervisor.instances() if each.newcomer is not None]
            most = max(most, len(trials))
            assert sum(each.state is State.RUNNING for each in here.supervisor.instances()) == 3

        newer = three(listen, "--accept-after", "0.2", release="2", parallel=parallel)
        here.take(newer)
        async with asking(listen):
            report = await here.order(Verb.RELOAD, tell=count)

        assert report.ok
        assert most == parallel
        assert [step.name for step in report.done] == ["web:0", "web:1", "web:2"]
        assert not any(map(is_alive, old))
        assert {(await ask(listen)).release for _ in range(20)} == {"2"}


async def test_the_first_that_fails_ends_the_roll_and_all_old_ones_serve_on(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    async with engine(tmp_path, three(listen)) as here:
        await here.start()
        old = {here.pid(f"web:{number}") for number in range(3)}
        told = Told()
        async with asking(listen):
            report = await reload(here, three(listen, "--fail", release="2"), told=told)

        assert [failure.name for failure in report.failures] == ["web:0"]
        assert told.of("web:1") == told.of("web:2") == []
        assert {here.pid(f"web:{number}") for number in range(3)} == old


async def test_one_instance_can_be_reloaded_alone(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, three(listen)) as here:
        await here.start()
        old = [here.pid(f"web:{number}") for number in range(3)]
        here.take(three(listen, release="2"))
        report = await here.order(Verb.RELOAD, "web:1")

        assert report.ok
        new = [here.pid(f"web:{number}") for number in range(3)]
        assert [a == b for a, b in zip(old, new, strict=True)] == [True, False, True]
        assert {(await ask(listen)).release for _ in range(40)} == {"1", "2"}


async def test_a_reload_brings_as_many_instances_as_the_oxfile_says(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        async with asking(listen):
            assert (await reload(here, three(listen, release="2"))).ok
            assert len(here.marked()) == 3
            assert (await reload(here, web(listen, release="3"))).ok
            assert len(here.marked()) == 1

        assert (await ask(listen)).release == "3"


async def test_instances_that_leave_end_what_they_have_begun(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, three(listen, "--slow", "0.5")) as here:
        await here.start()
        streams = [await connect(listen) for _ in range(12)]
        answers = []

        async def finish(stream: trio.SocketStream) -> None:
            async with stream:
                answers.append(await request(stream, "/slow"))

        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(finish, stream)
            report = await reload(here, web(listen, release="2"))

        assert report.ok
        assert [each.release for each in answers] == ["1"] * 12


# Other manners.


async def test_one_that_reloads_itself_is_only_sent_its_signal(tmp_path: Path) -> None:
    listen, release = somewhere(), tmp_path / "RELEASE"
    release.write_text("1")
    itself = ReloadSpec(manner=ReloadManner.SIGNAL, signal=SIGHUP)
    app = held("web", "--reread", listen=(listen,), reload=itself, working_dir=str(tmp_path))
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("web")
        assert here.status("web").reload == "SIGHUP"
        release.write_text("2")
        async with asking(listen) as client:
            report = await reload(here)
            await here.until(lambda: "2" in client.releases)

        assert report.ok
        assert {each.pid for each in client.answers} == {pid} == {here.pid("web")}


async def test_one_that_reloads_itself_is_restarted_where_its_oxfile_entry_has_changed(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    itself = ReloadSpec(manner=ReloadManner.SIGNAL, signal=SIGHUP)
    app = web(listen, "--reread", reload=itself)
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("web")
        async with asking(listen):
            report = await reload(here, replace(app, env=(("NEW", "1"),)))

        assert report.ok
        assert here.pid("web") != pid
        assert report.notes == (
            "web is restarted, as what it reads itself is not all that has changed",
        )


async def test_one_that_shall_be_restarted_never_runs_twice_and_its_clients_wait(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    alone = ReloadSpec(manner=ReloadManner.RESTART)
    async with engine(tmp_path, web(listen, reload=alone)) as here:
        await here.start()
        most = 0

        def count(_: object) -> None:
            nonlocal most
            most = max(most, len(here.marked()))

        here.take(web(listen, release="2", reload=alone))
        async with asking(listen) as client:
            report = await here.order(Verb.RELOAD, tell=count)

        assert report.ok
        assert (client.releases, most) == (["1", "2"], 1)


async def test_where_it_is_not_sure_who_answers_clients_wait_and_the_gap_is_said(
    tmp_path: Path,
) -> None:
    listen = somewhere()
    app = web(listen, health=HealthSpec(command="true", interval=0.05))
    async with engine(tmp_path, app) as here, probing(here):
        await here.start()
        async with asking(listen):
            report = await reload(here)

        assert report.ok
        assert report.notes == (
            "web has a gap at every reload: clients wait while it restarts, as its health check "
            f'does not tell which run answers; write: endpoint = "http://localhost:{listen.port}/…"'
            ' under health_check, or reload = "overlap"',
        )
        assert here.status("web").gap.startswith("clients wait")


async def test_overlap_can_be_asked_for(tmp_path: Path) -> None:
    listen = somewhere()
    health = HealthSpec(command="true", interval=0.05)
    overlap = ReloadSpec(manner=ReloadManner.OVERLAP)
    app = web(listen, health=health, reload=overlap)
    async with engine(tmp_path, app) as here, probing(here):
        await here.start()
        told = Told()
        here.take(web(listen, release="2", health=health, reload=overlap))
        async with asking(listen):
            report = await here.order(Verb.RELOAD, tell=told)

        assert (report.ok, report.notes) == (True, ())
        assert "switched" in told.of("web")


@pytest.mark.parametrize("way", ["from", "to"])
async def test_between_a_held_address_and_one_of_its_own_it_is_restarted(
    tmp_path: Path, way: str
) -> None:
    """Two cannot have one address where only one of them gets it from oxtrio."""
    listen = somewhere()
    by_itself = held("web", "--bind", str(listen.port), "--release", "own")
    specs = [web(listen), by_itself] if way == "from" else [by_itself, web(listen)]
    async with engine(tmp_path, specs[0]) as here:
        await here.start()
        report = await reload(here, specs[1])
        await until_served(listen)

        assert report.ok
        assert (await ask(listen)).pid == here.pid("web")
        assert here.status("web").listen == (() if way == "from" else (str(listen),))


async def test_one_that_is_not_up_is_started_with_the_new_release(tmp_path: Path) -> None:
    listen = somewhere()
    broken = web(listen, "--fail", restart=RestartSpec(limit=1, delay=0.05))
    async with engine(tmp_path, broken) as here:
        await here.order(Verb.START)
        await here.until(lambda: here.instance("web").state is State.CRASHED)
        report = await reload(here, web(listen, release="2"))

        assert report.ok
        assert (await ask(listen)).release == "2"


async def test_a_reload_that_is_not_waited_for_is_done_all_the_same(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(listen, release="2"))
        await here.order(Verb.RELOAD, wait=False)
        await here.until(lambda: here.pid("web") != pid)
        assert (await ask(listen)).release == "2"


async def test_many_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        for _ in range(10):
            assert (await reload(here)).ok

        await eventually(lambda: len(here.marked()) == 1)
        assert len(list((tmp_path / "runs").glob("*.json"))) == 1
        assert here.instance("web").place is not None
