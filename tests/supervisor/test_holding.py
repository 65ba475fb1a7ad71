"""An address is held as long as its app is wanted: clients wait, and none is refused."""

import os
import socket
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from oxtrio.model.order import Verb
from oxtrio.model.spec import Condition, ListenSpec, ReloadManner, RestartSpec
from oxtrio.model.state import State
from tests.engine import (
    Engine,
    an_app,
    engine,
    eventually,
    is_alive,
    kill,
    program,
)
from tests.supervisor.serving import (
    ask,
    asking,
    at,
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
from tests.system.clients import free_port

pytestmark = pytest.mark.slow

WAYS = pytest.mark.parametrize("steered", [True, False], ids=["steered", "shared"])
SLEEP = ("/bin/sleep", "600")


def can_bind(listen: ListenSpec) -> bool:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind((listen.host, listen.port))
            other.listen()
        except OSError:
            return False
        return True


def log_of(here: Engine, name: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in here.log(name).splitlines() if " " in line)


def two_ports() -> int:
    """The first of two that follow one another, and are free."""
    while not can_bind(at((port := free_port()) + 1)):
        pass
    return port


def folder_of(path: Path) -> list[Path]:
    return list(path.iterdir())


def is_socket(path: Path) -> bool:
    return stat.S_ISSOCK(path.lstat().st_mode)


def has_one_socket(pid: int) -> bool:
    return sockets_of(pid) == 1


def sockets_of(pid: int) -> int:
    found = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")
    return found


# Through crash and backoff.


@WAYS
async def test_clients_wait_through_crash_and_backoff_for_the_next_run(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    app = web(listen, restart=RestartSpec(delay=0.5))
    async with engine(tmp_path, app, steered=steered) as here:
        await here.start()
        pid = here.pid("web")
        assert (await ask(listen)).pid == pid
        kill(pid)
        await here.until(lambda: here.instance("web").state is State.BACKOFF)
        assert here.status("web").listen == (str(listen),)
        early = await connect(listen)
        assert here.instance("web").state is State.BACKOFF
        async with early:
            answer = await request(early)

        assert answer.pid == here.pid("web") != pid


async def test_clients_of_a_unix_socket_wait_too(tmp_path: Path) -> None:
    listen = ListenSpec(path=str(tmp_path / "web.sock"))
    async with engine(tmp_path, web(listen, restart=RestartSpec(delay=0.5))) as here:
        await here.start()
        pid = here.pid("web")
        kill(pid)
        await here.until(lambda: here.instance("web").state is State.BACKOFF)

        assert (await ask(listen)).pid != pid


async def test_who_comes_during_a_restart_is_answered_after_it(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--accept-after", "0.3")) as here:
        await here.start()
        async with asking(listen):
            report = await here.order(Verb.RESTART, "web")

        assert report.ok


async def test_who_comes_while_it_starts_waits_until_it_accepts(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, "--accept-after", "0.5")) as here:
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.instance("web").state is State.STARTING)
        assert (await ask(listen)).release == "1"
        await here.until(lambda: here.instance("web").state is State.RUNNING)


# Given up.


async def refused_and_free(here: Engine, listen: ListenSpec) -> None:
    await eventually(lambda: can_bind(listen))
    assert await is_refused(listen)
    assert here.status("web").listen == ()


@WAYS
async def test_after_a_stop_clients_are_refused_and_others_may_bind(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen), steered=steered) as here:
        await here.start()
        await here.order(Verb.STOP, "web")
        await refused_and_free(here, listen)
        await here.start()

        assert (await ask(listen)).pid == here.pid("web")


@pytest.mark.parametrize(
    ("command", "state"),
    [("exit 0", State.EXITED), ("exit 1", State.CRASHED)],
    ids=["exited", "crashed"],
)
@WAYS
async def test_what_has_ended_for_good_is_given_up_and_starts_again(
    tmp_path: Path, steered: bool, command: str, state: State
) -> None:
    listen, flag = somewhere(), tmp_path / "flag"
    server = " ".join(program("held.py"))
    script = f"if [ -e {flag} ]; then exec {server}; fi; sleep 0.1; {command}"
    app = an_app("web", script, listen=(listen,), restart=RestartSpec(limit=1, delay=0.05))
    async with engine(tmp_path, app, steered=steered) as here:
        await here.order(Verb.START)
        await here.until(lambda: here.instance("web").state is state)
        await refused_and_free(here, listen)
        flag.touch()
        await here.start("web")

        assert (await ask(listen)).pid == here.pid("web")


async def test_what_waits_for_a_dependency_is_held_from_its_start_on(tmp_path: Path) -> None:
    listen = somewhere()
    needs = (("first", Condition.COMPLETED),)
    first = an_app("first", "sleep 0.5", restart=RestartSpec(always=False))
    async with engine(tmp_path, web(listen, depends_on=needs), first) as here:
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.instance("web").state is State.BLOCKED)
        await refused_and_free(here, listen)
        await here.until(lambda: here.instance("web").state is State.RUNNING)

        assert (await ask(listen)).pid == here.pid("web")


async def test_a_unix_socket_is_gone_after_a_stop(tmp_path: Path) -> None:
    listen = ListenSpec(path=str(tmp_path / "web.sock"))
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        await here.order(Verb.STOP, "web")

        assert not any(map(is_socket, folder_of(tmp_path)))


# How it is handed over.


async def test_descriptors_come_in_the_order_of_the_oxfile_and_are_named(tmp_path: Path) -> None:
    first, second = somewhere(), somewhere()
    admin = ListenSpec(host=second.host, port=second.port, name="admin")
    third = ListenSpec(path=str(tmp_path / "web.sock"), name="local")
    app = held("web", "--print", "--release", "${fd:admin}", listen=(first, admin, third))
    async with engine(tmp_path, app) as here:
        await here.start()
        told = log_of(here, "web")

        assert told["LISTEN_FDS"] == "3"
        assert told["LISTEN_PID"] == told["pid"] == str(here.pid("web"))
        assert told["LISTEN_FDNAMES"] == "unknown:admin:local"
        for listen in (first, admin, third):
            assert (await ask(listen)).release == "4"
        assert here.status("web").listen == (str(first), str(admin), str(third))


async def test_a_shell_that_execs_hands_its_sockets_on(tmp_path: Path) -> None:
    listen = somewhere()
    server = " ".join(program("held.py", "--print"))
    app = an_app("web", f"sleep 0.01; exec {server}", listen=(listen,))
    async with engine(tmp_path, app) as here:
        await here.start()

        assert log_of(here, "web")["LISTEN_PID"] == str(here.pid("web"))
        assert (await ask(listen)).pid == here.pid("web")


async def test_who_holds_nothing_is_told_nothing(tmp_path: Path) -> None:
    app = an_app("web", "env; exec sleep 600", env=(("LISTEN", "x"),))
    async with engine(tmp_path, app) as here:
        here.supervisor.environ = {**here.supervisor.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"}
        await here.start()
        await eventually(lambda: "OXTRIO_NAME" in here.log("web"))

        assert "LISTEN_" not in here.log("web")


async def test_a_run_has_no_other_socket_of_the_supervisor(tmp_path: Path) -> None:
    app = web(somewhere())
    async with engine(tmp_path, app, held("other", listen=(somewhere(),))) as here:
        await here.start()
        for name in ("web", "other"):
            # The connection that showed that it accepts may still be about to be closed there.
            pid = here.pid(name)
            await eventually(partial(has_one_socket, pid))


@pytest.mark.parametrize(
    ("host", "dual", "clients"),
    [
        ("127.0.0.1", False, ["127.0.0.1"]),
        ("0.0.0.0", False, ["127.0.0.1"]),
        ("::1", False, ["::1"]),
        ("::", True, ["::1", "127.0.0.1"]),
    ],
)
@WAYS
async def test_an_address_is_of_ipv4_of_ipv6_or_of_both(
    tmp_path: Path, steered: bool, host: str, dual: bool, clients: list[str]
) -> None:
    listen = ListenSpec(host=host, port=free_port(clients[0]), dual_stack=dual)
    async with engine(tmp_path, web(listen), steered=steered) as here:
        await here.start()
        for client in clients:
            assert (await ask(listen, host=client)).pid == here.pid("web")
        report = await reload(here, web(listen, release="2"))

        assert report.ok
        for client in clients:
            assert (await ask(listen, host=client)).release == "2"


async def test_a_unix_socket_has_the_mode_that_is_asked_for_through_reloads(
    tmp_path: Path,
) -> None:
    path = tmp_path / "web.sock"
    listen = ListenSpec(path=str(path), mode=0o606)
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o606
        async with asking(listen) as client:
            assert (await reload(here, web(listen, release="2"))).ok

        assert client.releases == ["1", "2"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o606


async def test_instances_of_one_app_share_an_address(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen, instances=3)) as here:
        await here.start()
        pids = {here.pid(f"web:{number}") for number in range(3)}
        answered = set()
        while answered != pids:
            answered.add((await ask(listen)).pid)
            assert answered <= pids


async def test_a_port_alone_is_no_address(tmp_path: Path) -> None:
    port = two_ports()
    app = held("web", "--bind", "${port}", "--print", port=port, instances=2)
    async with engine(tmp_path, app) as here:
        await here.start()
        for number in range(2):
            listen = at(port + number)
            await until_served(listen)
            assert (await ask(listen)).pid == here.pid(f"web:{number}")
        assert "oxtrio does not hold its address" in here.status("web:0").gap


# An address that somebody else has.


@WAYS
async def test_who_has_the_address_is_named_and_it_comes_up_when_it_is_free(
    tmp_path: Path, steered: bool
) -> None:
    listen = somewhere()
    app = web(listen, restart=RestartSpec(delay=0.1, limit=0))
    async with engine(tmp_path, app, steered=steered) as here:
        with socket.create_server((listen.host, listen.port)):
            report = await here.order(Verb.START)
            assert not report.ok
            [failure] = report.failures
            assert f"cannot hold {listen}: the address is in use" in failure.reason
            await here.until(lambda: here.instance("web").restarts >= 2)
            assert here.instance("web").run is None
        await here.until(lambda: here.instance("web").state is State.RUNNING)

        assert (await ask(listen)).pid == here.pid("web")


async def test_another_process_that_has_the_address_is_named(tmp_path: Path) -> None:
    listen = somewhere()
    squatter = held("squatter", "--bind", str(listen.port))
    async with engine(tmp_path, squatter, web(listen)) as here:
        await here.start("squatter")
        await until_served(listen)
        report = await here.order(Verb.START, "web")

        pid = here.pid("squatter")
        assert f"(pid {pid})" in report.failures[0].reason
        assert "oxfile.toml restart squatter" in report.failures[0].hint
        await here.order(Verb.STOP, "web")


async def test_two_apps_cannot_have_one_address(tmp_path: Path) -> None:
    listen = somewhere()
    async with engine(tmp_path, web(listen), held("other", listen=(listen,))) as here:
        await here.start("web")
        report = await here.order(Verb.START, "other")

        assert report.failures[0].reason == f"{listen} is held for web already"
        assert (await ask(listen)).pid == here.pid("web")
        await here.order(Verb.STOP, "web")
        await here.order(Verb.RESTART, "other")
        assert (await ask(listen)).pid == here.pid("other")


@pytest.mark.parametrize("verb", [Verb.RESTART, Verb.RELOAD])
async def test_an_address_may_change_its_host_in_place(tmp_path: Path, verb: Verb) -> None:
    """Who holds 127.0.0.1 is in the way of 0.0.0.0, so that a restart has a gap."""
    listen = somewhere()
    wider = ListenSpec(host="0.0.0.0", port=listen.port)
    async with engine(tmp_path, web(listen)) as here:
        await here.start()
        pid = here.pid("web")
        here.take(web(wider, release="2"))
        report = await here.order(verb, "web")

        if verb is Verb.RESTART:
            assert report.ok
            assert (await ask(listen)).release == "2"
            assert here.status("web").listen == (str(wider),)
        else:
            assert "in use" in report.failures[0].reason
            assert (await ask(listen)).pid == pid


# Servers that are known, and those that are left alone.


def a_server(folder: Path, name: str, *options: str) -> Path:
    """A program called as a known server, that is none."""
    path = folder / name
    words = " ".join(program("held.py", *options))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path


async def test_a_known_server_is_held_and_reloaded_without_a_gap(tmp_path: Path) -> None:
    listen = somewhere()
    command = f"{a_server(tmp_path, 'uvicorn')} main:app --port {listen.port}"
    async with engine(tmp_path, an_app("web", command)) as here:
        await here.start()
        assert here.status("web").listen == (str(listen),)
        assert (here.status("web").reload, here.status("web").gap) == ("overlap", "")
        pid = here.pid("web")
        async with asking(listen):
            report = await reload(here)

        assert report.ok
        assert report.notes == ()
        assert here.pid("web") != pid
        await eventually(lambda: not is_alive(pid))


async def test_one_that_is_left_alone_is_run_by_hand_and_its_gap_is_explained(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = a_server(tmp_path, "granian", "--bind", str(port))
    async with engine(tmp_path, an_app("web", f"{server} main:app --port {port}")) as here:
        await here.start()
        await until_served(at(port))
        status = here.status("web")
        assert (status.listen, status.reload) == ((), "restart")
        assert status.gap == "granian has no way to take a socket over"
        report = await reload(here)

        assert report.ok
        assert report.notes[0].startswith(
            "web has a gap at every reload: granian has no way to take a socket over; write: "
        )
        assert here.status("web").reload == ReloadManner.RESTART


async def test_a_server_that_binds_all_the_same_is_left_alone_after_its_first_try(
    tmp_path: Path,
) -> None:
    """Holding never makes a start fail that would work without it."""
    port = free_port()
    server = a_server(tmp_path, "uvicorn", "--bind", str(port))
    app = an_app("web", f"{server} main:app --port {port}", restart=RestartSpec(delay=0.05))
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START)
        await here.until(lambda: here.instance("web").state is State.RUNNING)
        await until_served(at(port))

        assert (await ask(at(port))).pid == here.pid("web")
        assert here.status("web").listen == ()
        assert "does not take a socket over" in here.status("web").gap


async def test_hold_port_turns_holding_off(tmp_path: Path) -> None:
    port = free_port()
    server = a_server(tmp_path, "uvicorn", "--bind", str(port))
    app = an_app("web", f"{server} main:app --port {port}", hold_port=False)
    async with engine(tmp_path, app) as here:
        await here.start()

        assert here.status("web").listen == ()
        await until_served(at(port))
        assert (await ask(at(port))).pid == here.pid("web")


async def test_what_ignores_its_socket_is_not_up(tmp_path: Path) -> None:
    """It serves, but elsewhere: nobody would ever be answered at its address."""
    listen, port = somewhere(), free_port()
    async with engine(tmp_path, web(listen, "--bind", str(port))) as here, probing(here):
        await here.order(Verb.START, wait=False)
        await until_served(at(port))

        assert (await ask(at(port))).pid == here.pid("web")
        assert here.instance("web").state is State.STARTING
