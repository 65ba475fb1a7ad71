"""Commands on a real control socket, with a supervisor that does nothing behind it."""

import json
import threading
from collections.abc import Iterator

import pytest

from oxtrio.cli.target import Target
from oxtrio.control.client import Client
from oxtrio.errors import Refused
from oxtrio.model.order import Failure, Order, Report, Verb
from oxtrio.model.state import State
from tests.control.fakes import FakeSteered, a_line, an_event, an_instance, serving


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSteered]:
    """The supervisor that every command of the test talks to."""
    steered = FakeSteered("api:0", "api:1", "db")
    with serving(steered) as address:
        monkeypatch.setattr(Target, "client", lambda target: Client(address))
        monkeypatch.setattr(Target, "is_running", lambda target: True)
        monkeypatch.setattr(Target, "comes_back", lambda target: False)
        yield steered


def test_status(oxtrio, fake: FakeSteered):
    code, out, err = oxtrio("status")

    assert (code, err) == (0, "")
    assert [row.split()[0] for row in out.splitlines()] == ["NAME", "api:0", "api:1", "db"]
    assert fake.measured == 1


def test_status_as_json(oxtrio, fake: FakeSteered):
    fake.instances = [an_instance("api", status=State.BACKOFF, next_at="2025-01-01T12:00:01+01:00")]

    code, out, _ = oxtrio("status", "--json")

    assert code == 3
    assert json.loads(out)[0]["next_at"] == "2025-01-01T12:00:01+01:00"


@pytest.mark.parametrize("verb", ["status", "logs", "why"])
def test_a_name_that_nothing_has_is_exit_code_4(oxtrio, fake: FakeSteered, verb: str):
    code, out, err = oxtrio(verb, "nobody")

    assert (code, out) == (4, "")
    assert err.startswith("error: no app is named 'nobody'\nhint: ")


def test_an_order_and_its_report(oxtrio, fake: FakeSteered):
    assert oxtrio("restart", "api") == (0, "api: running (pid 4242)\n", "")
    assert fake.orders == [Order(verb=Verb.RESTART, names=("api",))]


def test_an_order_that_failed(oxtrio, fake: FakeSteered):
    fake.report = Report(failures=(Failure(name="api", reason="boom", last_lines=("x",)),))

    assert oxtrio("reload") == (1, "", "error: cannot reload api: boom\n    x\n")


def test_an_order_that_is_refused(oxtrio, fake: FakeSteered):
    fake.error = Refused("not for you", "ask root")

    assert oxtrio("stop", "api") == (5, "", "error: not for you\nhint: ask root\n")


def test_why(oxtrio, fake: FakeSteered):
    assert oxtrio("why", "db") == (
        0,
        "db: running\nIt runs.\nlast lines:\n    hi\n",
        "",
    )


def test_events(oxtrio, fake: FakeSteered):
    fake.history = [an_event(1), an_event(2, state="stopped", reason="asked", pid=None)]

    code, out, _ = oxtrio("events", "-n", "1")

    assert code == 0
    assert out == "2025-01-01T12:00:00+01:00  api             stopped    asked\n"


def test_logs(oxtrio, fake: FakeSteered):
    fake.lines = [a_line(b"one"), a_line(b"two", instance=1)]

    code, out, err = oxtrio("logs")

    assert (code, err) == (0, "")
    assert [text.split()[0] for text in out.splitlines()] == ["api:0", "api:1"]


def test_following_logs_ends_with_them(oxtrio, fake: FakeSteered):
    fake.lines = [a_line(b"one")]
    ending = threading.Thread(target=end_logs_once_followed, args=(fake,))
    ending.start()

    code, out, err = oxtrio("logs", "-f", "db")

    ending.join(10)
    assert (code, err) == (0, "")
    assert out == "one\n"


def end_logs_once_followed(fake: FakeSteered) -> None:
    """There is nothing to wait for that would tell a thread, so it looks."""
    while not fake._more:
        threading.Event().wait(0.01)
    fake.soon(fake.end_logs)
