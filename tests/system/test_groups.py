"""What every held address promises, however it is held."""

import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from oxtrio.errors import AddressTaken, OxtrioError, Refused
from oxtrio.model.spec import ListenSpec
from oxtrio.system import hold_error
from oxtrio.system.groups import Group, open_group
from tests.system.clients import (
    PATIENCE,
    Child,
    Load,
    Server,
    accept,
    arrived,
    at_path,
    connect,
    sockets_stay_as_they_are,
    tcp,
)

__all__ = ["sockets_stay_as_they_are"]

Open = Callable[[], Awaitable[Group]]


@pytest.fixture(params=["steered", "steered on IPv6", "shared", "shared on IPv6", "unix"])
def listen(request: pytest.FixtureRequest, tmp_path: Path) -> ListenSpec:
    if request.param == "unix":
        return at_path(tmp_path)
    return tcp("::1" if "IPv6" in request.param else "127.0.0.1")


@pytest.fixture
def steered(request: pytest.FixtureRequest, listen: ListenSpec) -> bool:
    return not request.node.callspec.params["listen"].startswith("shared")


async def test_clients_wait_from_the_beginning(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    try:
        with connect(listen):
            slot = group.take()
            assert arrived([slot]) == [0]
            accept(slot).close()
    finally:
        group.close()


async def test_a_descriptor_is_blocking_and_not_inherited_by_accident(
    listen: ListenSpec, steered: bool
):
    group = await open_group(listen, steered=steered)
    try:
        for slot in (group.take(), group.take()):
            assert os.get_blocking(slot.fileno())
            assert not os.get_inheritable(slot.fileno())
    finally:
        group.close()


async def test_a_connection_is_answered_by_who_has_the_slot(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    try:
        slot = group.take()
        async with await slot.connect() as stream:
            with accept(slot) as connection:
                await slot.wait_accepted(stream, lambda: [os.getpid()])
                assert slot.answered_by(stream, lambda: [os.getpid()])
                await stream.send_all(b"?")
                assert connection.recv(10) == b"?"
    finally:
        group.close()


async def test_a_connection_is_not_accepted_before_it_is(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    slot = group.take()
    try:
        async with await slot.connect() as stream:
            with trio.move_on_after(0.1) as waiting:
                await slot.wait_accepted(stream, lambda: [os.getpid()])
            assert waiting.cancelled_caught
            with accept(slot), trio.fail_after(PATIENCE):
                await slot.wait_accepted(stream, lambda: [os.getpid()])
    finally:
        group.close()


async def test_closing_refuses_clients_and_leaves_nothing(
    listen: ListenSpec, steered: bool, tmp_path: Path
):
    group = await open_group(listen, steered=steered)
    slots = [group.take(), group.take()]
    group.serve(slots[1:])

    group.close()
    group.close()

    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        connect(listen)
    assert os.listdir(tmp_path) == []
    for slot in slots:
        assert slot.fileno() == -1
        assert not slot.is_waiting()
        await slot.wait_drained()
        slot.release()
        with pytest.raises(OSError, match=r"refused|moved on"):
            await slot.connect()
    group.serve(slots)


async def test_closing_ends_all_waiting(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    slot = group.take()
    stream = await slot.connect()
    async with stream:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(slot.wait_accepted, stream, list)
                nursery.start_soon(slot.wait_drained)
                await trio.testing.wait_all_tasks_blocked()
                group.close()


async def test_an_address_can_be_held_again_at_once(listen: ListenSpec, steered: bool):
    for _ in range(3):
        group = await open_group(listen, steered=steered)
        with connect(listen):
            accept(group.take()).close()  # who closes first is left in TIME_WAIT
        group.close()


async def test_an_address_can_be_held_while_connections_of_before_are_open(
    listen: ListenSpec, steered: bool
):
    group = await open_group(listen, steered=steered)
    with connect(listen), accept(group.take()):
        group.close()

        (await open_group(listen, steered=steered)).close()


async def test_an_address_that_is_held_is_taken(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    try:
        with pytest.raises(AddressTaken, match="in use by another app of this project") as caught:
            await open_group(listen, steered=steered)
        assert caught.value.hint == "give one of them another address"
        with connect(listen):
            assert arrived([group.take()]) == [0]
    finally:
        group.close()


LISTENING = """
import socket, sys
where, how = sys.argv[1:]
if where.startswith("/"):
    listener = socket.socket(socket.AF_UNIX)
else:
    listener = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET)
    if how == "reuseport":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    where, _, port = where.rpartition("/")
listener.bind(where if listener.family == socket.AF_UNIX else (where, int(port)))
listener.listen()
print(flush=True)
sys.stdin.read()
"""
ROOT = str(Path(__file__).parent.parent.parent)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "reuseport"])
async def test_a_stranger_who_listens_is_named(listen: ListenSpec, steered: bool, how: str):
    where = listen.path or f"{listen.host}/{listen.port}"
    words = [sys.executable, "-c", LISTENING, where, how]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:  # noqa: ASYNC220
        assert stranger.stdout is not None
        stranger.stdout.readline()

        with pytest.raises(AddressTaken) as caught:
            await open_group(listen, steered=steered)

    assert f"(pid {stranger.pid})" in caught.value.message
    assert Path(sys.executable).name in caught.value.message
    assert caught.value.hint.startswith(f"kill {stranger.pid}")


@pytest.mark.slow
async def test_a_run_that_a_crash_has_left_is_ended_by_its_app(listen: ListenSpec, steered: bool):
    where = listen.path or f"{listen.host}/{listen.port}"
    env = {"OXTRIO_NAME": "api:1", "OXTRIO_CONFIG": "/srv/oxfile.toml"}
    words = [sys.executable, "-c", LISTENING, where, "alone"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as left:  # noqa: ASYNC220
        assert left.stdout is not None
        left.stdout.readline()

        with pytest.raises(AddressTaken) as caught:
            await open_group(listen, steered=steered)

    assert caught.value.hint.startswith("oxtrio -c /srv/oxfile.toml restart api ")


async def test_somebody_who_may_not_be_seen_is_known_by_the_user(
    listen: ListenSpec, steered: bool, monkeypatch: pytest.MonkeyPatch
):
    group = await open_group(listen, steered=steered)
    monkeypatch.setattr("oxtrio.system.listeners.all_pids", list)
    monkeypatch.setattr(hold_error, "listener_at", lambda path: None)
    try:
        with pytest.raises(AddressTaken) as caught:
            await open_group(listen, steered=steered)
        assert caught.value.hint.startswith("ss -")
    finally:
        group.close()


@pytest.mark.slow
async def test_who_waits_survives_the_process_that_did_not_accept(
    listen: ListenSpec, steered: bool
):
    group = await open_group(listen, steered=steered)
    slot = group.take()
    try:
        with Child(slot.fileno()) as first:
            first.accept()
            with connect(listen) as served:
                served.recv(10)
            waiting = connect(listen)
        with waiting, Child(slot.fileno()) as second:
            second.accept()
            assert waiting.recv(10) == b"%d" % second.pid
    finally:
        group.close()


@pytest.mark.slow
async def test_the_processes_that_accept_are_told_from_others(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    slot = group.take()
    try:
        with Child(slot.fileno()) as child:
            async with await slot.connect() as stream:
                child.accept()
                with trio.fail_after(PATIENCE):
                    await slot.wait_accepted(stream, lambda: [child.pid])
                assert await stream.receive_some() == b"%d" % child.pid
                assert slot.answered_by(stream, lambda: [child.pid])
                assert slot.answered_by(stream, lambda: [os.getpid()]) == steered
    finally:
        group.close()


@pytest.mark.slow
async def test_no_connection_is_lost_when_others_take_over(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    old = group.take()
    group.serve([old])
    server = Server(old, b"0")
    server.start()
    try:
        with Load(listen) as load:
            for generation in range(1, 6):
                await trio.to_thread.run_sync(load.wait_for, 200)
                new = group.take()
                successor = Server(new, b"%d" % generation)
                successor.start()
                with trio.fail_after(PATIENCE):
                    async with await new.connect() as stream:
                        await new.wait_accepted(stream, lambda: [os.getpid()])
                        await stream.send_all(b"?")
                        await stream.receive_some()
                    group.serve([new])
                    await old.wait_drained()
                await trio.to_thread.run_sync(server.__exit__)
                old.release()
                old, server = new, successor
    finally:
        server.__exit__()
        group.close()


async def test_nobody_serves_is_no_way_to_serve(listen: ListenSpec, steered: bool):
    group = await open_group(listen, steered=steered)
    try:
        if steered:
            with pytest.raises(ValueError, match="somebody must serve"):
                group.serve([])
    finally:
        group.close()


async def test_cancelling_an_opening_leaves_nothing_open(listen: ListenSpec, steered: bool):
    with trio.CancelScope() as scope:
        scope.cancel()
        await open_group(listen, steered=steered)

    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        connect(listen)


@pytest.mark.parametrize("steered", [True, False])
async def test_an_address_that_is_not_ours_is_named(steered: bool):
    with pytest.raises(OxtrioError, match=r"^cannot hold 192\.0\.2\.7:8000: this machine has no"):
        await open_group(ListenSpec(host="192.0.2.7", port=8000), steered=steered)


@pytest.mark.parametrize("steered", [True, False])
async def test_a_system_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch, steered: bool):
    def no_socket(*args: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    listen = tcp("::1")
    monkeypatch.setattr("oxtrio.system.tcp_sockets.socket.socket", no_socket)

    with pytest.raises(OxtrioError, match="this system has no IPv6"):
        await open_group(listen, steered=steered)


@pytest.mark.parametrize("steered", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.5"])
@pytest.mark.parametrize("dual_stack", [True, False])
async def test_a_client_of_our_own_reaches_every_kind_of_address(
    steered: bool, host: str, dual_stack: bool
):
    listen = tcp(host, dual_stack=dual_stack and host == "::")
    group = await open_group(listen, steered=steered)
    try:
        slot = group.take()
        async with await slot.connect():
            assert arrived([slot]) == [0]
    finally:
        group.close()


@pytest.mark.parametrize("steered", [True, False])
async def test_a_dual_stack_address_serves_both_and_another_only_its_own(steered: bool):
    both = tcp("::", dual_stack=True)
    group = await open_group(both, steered=steered)
    try:
        for host in ("127.0.0.1", "::1"):
            connect(both, host).close()
    finally:
        group.close()

    six = ListenSpec(host="::", port=both.port)
    four = ListenSpec(host="0.0.0.0", port=both.port)
    group = await open_group(six, steered=steered)
    try:
        with pytest.raises(ConnectionRefusedError):
            connect(six, "127.0.0.1")
        beside = await open_group(four, steered=steered)
        beside.close()
    finally:
        group.close()


@pytest.mark.parametrize("steered", [True, False])
async def test_accepted_connections_do_not_wait_for_more_to_send(steered: bool):
    listen = tcp()
    group = await open_group(listen, steered=steered)
    try:
        for slot in (group.take(), group.take()):
            group.serve([slot])
            with connect(listen), accept(slot) as connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        group.close()


HOLDING = """
import sys
sys.path[0] = sys.argv[1]
import trio
from oxtrio.errors import OxtrioError
from oxtrio.model.spec import ListenSpec
from oxtrio.system.groups import open_group

async def hold():
    try:
        await open_group(ListenSpec(host="127.0.0.1", port=80), steered=sys.argv[2] == "True")
    except OxtrioError as error:
        print(type(error).__name__, error.message, error.hint, sep="|")

trio.run(hold)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.skipif(hold_error._first_free_port() <= 80, reason="port 80 is for everybody")
@pytest.mark.parametrize("steered", [True, False])
def test_a_port_that_is_for_root_is_refused_to_others(steered: bool):
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*nobody, sys.executable, "-c", HOLDING, ROOT, str(steered)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    kind, message, hint = done.stdout.strip().split("|")
    assert kind == Refused.__name__
    assert message == "cannot hold 127.0.0.1:80: ports below 1024 are for root"
    assert hint == "sudo sysctl net.ipv4.ip_unprivileged_port_start=80"
