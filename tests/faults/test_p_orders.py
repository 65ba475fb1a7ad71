"""P22-P25: orders that cross each other, and apps that signal those around them."""

import random
import threading

import pytest

from oxtrio.control.client import Client
from oxtrio.model.order import Order, Report, Verb
from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import DEADLINE
from tests.faults.invariants import never_two, who_lives

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def test_p22_a_restart_during_a_backoff_is_an_attempt_at_once_with_a_new_budget(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'test -e mended || exit 3; exec sleep 3600'\nstart_secs = 0.1\n"
        "restart_delay_ms = 3600000\n" + CANARY
    )
    ox.refused(1, "start")
    ox.refused(1, "restart", "a")
    assert "failure 1 of 15" in ox.done("why", "a"), "each attempt of an operator begins anew"
    (ox.folder / "mended").touch()

    ox.done("restart", "a")

    row = ox.rows()["a"]
    assert (row["status"], row["restarts"], row["next_at"]) == ("running", 0, None)


def test_p23_sixty_orders_at_once_are_all_answered_and_never_make_two(ox: Ox):
    ox.up(SLEEPER)
    verbs = [Verb.RESTART, Verb.STOP, Verb.START] * 20
    random.Random(7).shuffle(verbs)
    reports: list[object] = []
    address = str(ox.runtime / "control.sock")

    def give(verb: Verb) -> None:
        with Client(address, patience=DEADLINE) as client:
            *_, report = client.order(Order(verb=verb, names=("a",)))
            reports.append(report)

    clients = [threading.Thread(target=give, args=(verb,)) for verb in verbs]
    with never_two(ox, "a") as sampler:
        for client in clients:
            client.start()
        for client in clients:
            client.join(DEADLINE)
        ox.done("start", "a")
        ox.eventually(lambda: ox.pid("a") in sampler.seen["a"], "a look at the last one")

    assert len(reports) == len(verbs)
    assert all(isinstance(report, Report) for report in reports)
    assert who_lives(ox, "a") == [ox.pid("a")]
    assert ox.rows()["a"]["restarts"] == 0


def test_p24_what_is_taken_out_of_the_oxfile_is_ended_first_and_then_forgotten(ox: Ox):
    """One that runs, and one that waits for its next attempt."""
    ox.write(SLEEPER + "[processes.b]\ncommand = 'echo b; exit 1'\nrestart_delay_ms = 3600000\n")
    ox.refused(1, "start")
    ox.write(CANARY)

    assert "no longer in the oxfile: oxtrio stop a" in ox.done("start", "canary")
    assert {name: row["status"] for name, row in ox.rows().items()} == {
        "a": "running",
        "b": "backoff",
        "canary": "running",
    }
    ox.done("stop", "a", "b")
    ox.done("start")

    assert list(ox.rows()) == ["canary"]
    assert who_lives(ox, "a") == []
    assert (ox.state / "logs" / "b.log").read_text() == "b\n"
    ox.refused(4, "stop", "b")


def test_p25_an_app_that_terminates_the_supervisor_makes_it_stop_in_order(ox: Ox):
    ox.write(
        f'[processes.hears]\ncommand = "{PYTHON} {FIXTURES}/trapmark.py heard"\nstart_secs = 0\n'
        "[processes.hostile]\ncommand = 'until test -e now; do sleep 0.05; done;"
        " kill -TERM $PPID; exec sleep 3600'\nstart_secs = 0\n"
    )
    ox.done("start")
    ox.content("heard")

    (ox.folder / "now").touch()

    ox.eventually(lambda: not ox.ours(), "all of it to end")
    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]
    assert ox.refused(3, "status")
    assert ox.events()[-1]["kind"] == "ended", "the supervisor"


@needs_root
def test_p25_an_app_of_another_user_cannot(ox: Ox):
    ox.folder.chmod(0o755)
    ox.up(
        "[processes.a]\ncommand = 'kill -TERM $PPID; echo $?; kill -TERM 0'\nuser = 'nobody'\n"
        "restart_on_exit = false\n",
        "canary",
    )
    supervisor, canary = ox.supervisor(), ox.pid("canary")

    ox.refused(1, "start", "a")

    assert "not permitted" in ox.done("logs", "a")
    assert ox.rows()["a"]["exit"]["signal"] == "SIGTERM", "its own group, and nobody else"
    assert (ox.supervisor(), ox.pid("canary")) == (supervisor, canary)
