import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import trio

from oxtrio.control.client import Client
from oxtrio.control.exchange import Bounds
from oxtrio.errors import (
    ConfigError,
    DaemonUnreachable,
    NotFound,
    NotRunning,
    OxtrioError,
    Problem,
    ProtocolError,
    Refused,
    UsageError,
)
from oxtrio.model.log import LogQuery, Skipped, Stream
from oxtrio.model.order import Order, Report, Step, Verb
from oxtrio.model.state import State
from oxtrio.system import unixsocket
from tests.control.fakes import FakeSteered, a_line, an_event, an_instance, serving

STOP = Order(verb=Verb.STOP, names=("api",), env=(("A", "ä\udcff"),))


@pytest.fixture
def fake() -> FakeSteered:
    return FakeSteered("api:0", "api:1", "worker")


@pytest.fixture
def client(fake: FakeSteered) -> Iterator[Client]:
    with serving(fake) as address, Client(address) as client:
        yield client
    assert fake.bugs == []


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_status_comes_back_as_it_was_given(fake: FakeSteered, client: Client):
    assert client.status() == fake.instances
    assert [one.name for one in client.status(("api",), fresh=True)] == ["api:0", "api:1"]
    assert fake.measured == 1


def test_the_supervisor_and_the_reasons_come_back_too(fake: FakeSteered, client: Client):
    assert client.supervisor() == fake.supervisor
    assert client.why("api:1").name == "api:1"
    assert client.ready()

    fake.instances.append(an_instance("web", status=State.CRASHED))

    assert not client.ready()


def test_an_order_yields_its_steps_and_then_its_report(fake: FakeSteered, client: Client):
    *steps, report = client.order(STOP)

    assert steps == fake.steps
    assert report == fake.report
    assert fake.orders == [STOP]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no app is named 'x'", "see: oxtrio status"),
        ConfigError("the oxfile is wrong", "fix it", (Problem("/o.toml", 3, "unknown key"),)),
        Refused("not yours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_supervisor_refuses_is_raised_here(
    fake: FakeSteered, client: Client, error: OxtrioError
):
    for ask in (
        lambda: list(client.order(STOP)),
        lambda: client.status(("x",)),
        lambda: client.why("x"),
        lambda: list(client.logs(LogQuery(names=("x",)))),
        lambda: list(client.events()),
    ):
        fake.error = error
        with pytest.raises(type(error), match=error.message) as caught:
            ask()
        assert caught.value.hint == error.hint
        if isinstance(error, ConfigError):
            assert [str(one) for one in caught.value.problems] == ["/o.toml:3: unknown key"]


@pytest.mark.parametrize(
    "name", ["__class__", "../../x", "a/b", "a?b#c", "%", "", "x" * 1000, "\0"]
)
def test_a_strange_name_is_nobodys(client: Client, name: str):
    with pytest.raises(NotFound):
        client.why(name)


def test_logs_come_back_byte_for_byte(fake: FakeSteered, client: Client):
    lines = [a_line(b"caf\xe9", stream=Stream.STDERR), Skipped(3), a_line("\u2028\x85\r".encode())]
    for line in lines:
        fake.write(line)
    query = LogQuery(
        names=("api", "worker"), lines=None, since=1.5, until=1e9, grep="a+b&c", level="error",
        stream=Stream.STDERR,
    )  # fmt: skip

    assert list(client.logs(query)) == lines
    assert fake.queries == [query]


def test_many_lines_arrive_in_order(fake: FakeSteered, client: Client):
    lines = [a_line(b"%d " % number + b"x" * (number % 1000)) for number in range(5000)]
    for line in lines:
        fake.write(line)

    assert list(client.logs(LogQuery())) == lines


def test_a_line_of_a_mebibyte_arrives_whole(fake: FakeSteered, client: Client):
    lines = [a_line(b"\xff" * (1 << 20)), a_line(b"\x00" * (1 << 20))]
    for line in lines:
        fake.write(line)

    assert list(client.logs(LogQuery())) == lines


def test_logs_are_followed_until_they_end(fake: FakeSteered, client: Client):
    fake.write(a_line(b"old"))
    following = client.logs(LogQuery(follow=True))

    assert next(following) == a_line(b"old")
    fake.soon(fake.write, a_line(b"new"))
    assert next(following) == a_line(b"new")
    fake.soon(fake.end_logs)
    assert list(following) == []


def test_who_stops_following_leaves_nothing_behind(fake: FakeSteered, client: Client):
    fake.write(a_line(b"old"))

    for _ in range(20):
        following = client.logs(LogQuery(follow=True))
        next(following)
        following.close()  # type: ignore[attr-defined]

    wait_for(lambda: fake.followers == 0)


def test_events_come_as_history_and_as_they_happen(fake: FakeSteered, client: Client):
    fake.history = [an_event(seq) for seq in range(5)]

    assert list(client.events(last=2)) == fake.history[-2:]
    assert list(client.events()) == fake.history
    following = client.events(last=1, follow=True)
    assert next(following) == an_event(4)
    fake.soon(fake.happen, an_event(5))
    assert next(following) == an_event(5)


def test_a_quiet_stream_is_not_taken_for_a_dead_supervisor(fake: FakeSteered):
    fake.patience = 1.0
    with (
        serving(fake, bounds=Bounds(pulse=0.05)) as address,
        Client(address, patience=0.5) as client,
    ):
        assert list(client.order(STOP))[-1] == fake.report


def test_leaving_an_order_in_the_middle_leaves_it_running(fake: FakeSteered, client: Client):
    fake.patience = 0.1
    following = client.order(STOP)
    assert isinstance(next(following), Step)

    following.close()  # type: ignore[attr-defined]

    wait_for(lambda: fake.finished == [STOP])


class Unhurried(FakeSteered):
    """Its orders are done when somebody says so."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.released = trio.Event()

    async def _work(self, order: Order, tell: Callable[[Step], None], done: trio.Event) -> None:
        await self.released.wait()
        await super()._work(order, tell, done)


def test_ctrl_c_leaves_an_order_running():
    fake = Unhurried("api")

    def press() -> None:
        wait_for(lambda: fake.orders == [STOP])
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with serving(fake) as address, Client(address) as client:
        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            list(client.order(STOP))
        pressing.join(10)

        assert fake.finished == []
        fake.soon(fake.released.set)
        wait_for(lambda: fake.finished == [STOP])


def test_a_name_that_is_no_utf_8_is_no_bug(client: Client):
    for ask in (lambda: client.why("caf\udce9"), lambda: client.status(("caf\udce9",))):
        with pytest.raises(UsageError, match="not valid UTF-8"):
            ask()


def test_an_order_that_is_too_large_is_refused_in_words(client: Client):
    order = replace(STOP, env=(("A", "x" * (4 << 20)),))

    with pytest.raises(ProtocolError, match="larger than"):
        list(client.order(order))


def test_a_shutdown_is_asked_for_and_not_waited_for(fake: FakeSteered, client: Client):
    client.shutdown(kill=True)

    assert fake.shutdowns == [True]


def test_where_nobody_listens_nothing_runs(tmp_path: Path):
    with pytest.raises(NotRunning, match="oxtrio is not running") as caught:
        Client(str(tmp_path / "s")).__enter__()

    assert type(caught.value) is NotRunning


def test_a_long_path_and_an_abstract_address_serve_as_well(fake: FakeSteered, tmp_path: Path):
    folder = tmp_path / ("f" * 120)
    folder.mkdir()
    abstract = f"@oxtrio/{os.geteuid()}/test-client-{os.getpid()}"
    for address in (str(folder / "control.sock"), abstract):
        with serving(fake, address), Client(address) as client:
            assert client.supervisor() == fake.supervisor
            assert list(client.order(STOP))[-1] == fake.report


def test_an_abstract_address_that_a_stranger_took_is_not_trusted(
    fake: FakeSteered, monkeypatch: pytest.MonkeyPatch
):
    address = f"@oxtrio/{os.geteuid()}/test-stranger-{os.getpid()}"
    with serving(fake, address):
        monkeypatch.setattr(unixsocket, "find_listener", lambda *_: unixsocket.Peer(7, 4711))
        with pytest.raises(Refused, match="belongs to user 4711"):
            Client(address).__enter__()


def test_a_stranger_who_takes_an_abstract_address_later_is_told_nothing(
    fake: FakeSteered, monkeypatch: pytest.MonkeyPatch
):
    address = f"@oxtrio/{os.geteuid()}/test-later-{os.getpid()}"
    with serving(fake, address), Client(address) as client:
        monkeypatch.setattr(unixsocket, "peer_of", lambda _: unixsocket.Peer(7, 4711))
        with pytest.raises(Refused, match="belongs to user 4711"):
            list(client.order(STOP))
        monkeypatch.undo()

    assert fake.orders == []


# Supervisors that are not well


@contextmanager
def answering(tmp_path: Path, *answers: bytes, hold: bool = False) -> Iterator[str]:
    """Somebody who says *answers* to whoever asks, one per connection, and nothing sensible."""
    path = str(tmp_path / "s")
    with unixsocket.listening(path) as listener:
        kept = []

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    if not connection.recv(65536):
                        continue  # it only looked who listens
                    for said in answers:
                        connection.sendall(said)
                    if not hold:
                        connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in kept:
            connection.close()


def test_a_supervisor_that_says_nothing_is_given_up(tmp_path: Path):
    with answering(tmp_path, hold=True) as path, Client(path, patience=0.1) as client:
        for ask in (client.status, client.ready, lambda: next(client.order(STOP))):
            with pytest.raises(DaemonUnreachable, match=f"pid {os.getpid()}. does not answer"):
                ask()


def test_a_supervisor_that_stops_in_the_middle_is_given_up(tmp_path: Path):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"
    with (
        answering(tmp_path, head, hold=True) as path,
        Client(path, patience=0.1) as client,
        pytest.raises(DaemonUnreachable),
    ):
        list(client.order(STOP))


OK = b"HTTP/1.1 200 OK\r\nContent-Length: "

NONSENSE = {
    "no HTTP": b'{"ok":true}\n',
    "nothing": b" ",
    "cut off": OK + b"100\r\n\r\n[]",
    "no JSON": OK + b"3\r\n\r\nyes",
    "another type": OK + b"2\r\n\r\n{}",
    "other objects": OK + b"6\r\n\r\n[null]",
    "an error that is none": b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
    "an error of no kind": b'HTTP/1.1 404 Oh\r\nContent-Length: 13\r\n\r\n{"error":"x"}',
    "deep": OK + b"200000\r\n\r\n" + b"[" * 200_000,
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_protocol_error(tmp_path: Path, said: bytes):
    with answering(tmp_path, said) as path, Client(path, patience=5) as client:
        for ask in (client.status, lambda: client.why("x")):
            with pytest.raises(ProtocolError):
                ask()


def test_a_newer_supervisor_may_say_more_than_we_know(tmp_path: Path):
    lines = b'{"weather":{}}\n{"step":{"name":"a","state":"b","new":1}}\n\n{"report":{"new":{}}}\n'
    said = OK + b"%d\r\n\r\n" % len(lines) + lines
    with answering(tmp_path, said) as path, Client(path) as client:
        assert list(client.order(STOP)) == [Step(name="a", state="b"), Report()]


def test_an_order_that_ends_without_a_report_has_not_been_done(tmp_path: Path):
    with (
        answering(tmp_path, OK + b"1\r\n\r\n\n") as path,
        Client(path) as client,
        pytest.raises(NotRunning, match="ended before it had done"),
    ):
        list(client.order(STOP))


def test_a_supervisor_that_ends_in_the_middle_runs_no_more(fake: FakeSteered):
    fake.write(a_line(b"old"))
    with ExitStack() as supervisor, ExitStack() as clients:
        client = clients.enter_context(Client(supervisor.enter_context(serving(fake))))
        following = client.logs(LogQuery(follow=True))
        assert next(following) == a_line(b"old")

        supervisor.close()

        with pytest.raises(NotRunning):
            next(following)
        with pytest.raises(NotRunning):
            client.status()


STOPPED_SUPERVISOR = """
import sys, trio
from tests.control.fakes import FakeSteered, served
async def main():
    async with served(FakeSteered(), sys.argv[1]):
        print("up", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


@pytest.mark.slow
def test_a_stopped_supervisor_is_named_with_its_pid(tmp_path: Path):
    path = str(tmp_path / "s")
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED_SUPERVISOR, path], stdout=subprocess.PIPE, cwd=root
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGSTOP)
            with (
                Client(path, patience=0.2) as client,
                pytest.raises(DaemonUnreachable, match=f"pid {process.pid}"),
            ):
                client.status()
        finally:
            process.kill()


@pytest.mark.slow
def test_the_client_is_cheap_to_import():
    code = "import sys, oxtrio.control.client; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"trio", "h11", "httpx", "psutil", "ssl", "asyncio"} & set(loaded) == set()


def test_the_first_of_many_is_had_without_reading_the_rest(fake: FakeSteered, client: Client):
    for number in range(10_000):
        fake.write(a_line(b"%d" % number))

    assert [line.data for line in islice(client.logs(LogQuery()), 2)] == [b"0", b"1"]  # type: ignore[union-attr]


def test_an_instance_with_a_last_exit_comes_back(fake: FakeSteered, client: Client):
    fake.instances = [replace(fake.instances[0], cpu_percent=None, tags=("a", "b"))]

    assert client.status() == fake.instances
