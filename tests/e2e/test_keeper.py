"""The keeper of a supervisor in the background: who comes back, and what is left."""

import os
import re
import signal
import time

import psutil
import pytest

from tests.e2e.kit import Ox, is_keeper, is_supervisor
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def kill(ox: Ox) -> psutil.Process:
    """kill -9 of the supervisor alone; the one that was killed."""
    supervisor = ox.supervisor()
    supervisor.send_signal(signal.SIGKILL)
    ox.eventually(lambda: not alive(supervisor.pid), "the supervisor to be dead")
    return supervisor


def successor(ox: Ox, of: psutil.Process) -> psutil.Process:
    """The one that comes after it, once it answers."""

    def answers() -> psutil.Process | None:
        try:
            found = ox.supervisor()
        except OSError:
            return None
        return found if found != of else None

    return ox.eventually(answers, "another supervisor to answer")


def supervisors(ox: Ox) -> list[psutil.Process]:
    return [each for each in ox.ours() if is_supervisor(each) and not is_keeper(each)]


def test_a_supervisor_in_the_background_has_a_small_parent_that_waits(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")

    keeper = ox.keeper()

    assert keeper.name() == "oxtrio-keeper"
    assert keeper.memory_full_info().uss < 8 * 2**20
    assert keeper.num_threads() == 1
    assert (ox.runtime / "keeper.lock").read_text().strip() == str(keeper.pid)


def test_after_kill_9_of_the_supervisor_another_one_answers_by_itself(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper, first = ox.keeper(), kill(ox)

    second = successor(ox, first)

    assert second.parent() == keeper
    assert supervisors(ox) == [second]
    assert "signal 9" in (ox.state / "supervisor.log").read_text()
    ox.done("start")
    assert ox.rows()["a"]["status"] == "running"


def test_status_right_after_the_crash_waits_for_the_next_one(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    kill(ox)

    assert "not running" not in ox("status").stderr


def test_kill_9_ten_times_in_a_row(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper = ox.keeper()
    for number in range(10):
        killed = kill(ox)
        # An operator does not wait for the delay that grows.
        ox.done("start" if number > 3 else "ls")
        successor(ox, killed)

    assert ox.keeper() == keeper
    assert len(supervisors(ox)) == 1
    ox.done("stop")
    assert ox.ours() == []


def test_starts_in_the_gap_make_neither_a_second_supervisor_nor_a_second_keeper(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper = ox.keeper()
    for _ in range(3):
        killed = kill(ox)
        starts = [ox.foreground("start") for _ in range(3)]
        assert successor(ox, killed).parent() == keeper
        ended = [(each.ends(), each.err) for each in starts]
        assert [code for code, _ in ended] == [0] * 3, ended

    assert supervisors(ox) == [ox.supervisor()]
    assert [each for each in ox.ours() if is_keeper(each)] == [keeper]


def test_a_stop_in_the_gap_ends_all(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    kill(ox)

    ox.done("stop")

    assert ox.ours() == []


def test_without_its_keeper_the_supervisor_runs_on_and_stops_in_order(ox: Ox):
    ox.up(SLEEPER)
    supervisor, old = ox.supervisor(), ox.pid("a")
    keeper = ox.keeper()

    keeper.kill()

    ox.eventually(lambda: not alive(keeper.pid), "the keeper to be dead")
    os.kill(old, signal.SIGKILL)
    ox.becomes("a", "running", after=old)
    assert ox.supervisor() == supervisor
    ox.done("restart", "a")
    ox.done("stop")
    assert ox.ours() == []


def test_how_the_one_before_ended_is_an_event(ox: Ox):
    ox.up(SLEEPER)
    old = ox.supervisor()
    old.kill()
    ox.eventually(lambda: ox.rows() and ox.supervisor() != old, "the next one")

    said = [each["reason"] for each in ox.events()]

    assert f"the supervisor before this one (pid {old.pid}) was killed by SIGKILL" in said


def test_a_keeper_that_is_gone_is_told(ox: Ox):
    ox.up(SLEEPER)
    assert "keeper" not in ox("status").stderr
    ox.keeper().kill()

    ox.eventually(lambda: "its keeper is gone" in ox("status").stderr, "the warning")

    assert "keeper-lost" in [each["kind"] for each in ox.events()]
    ox.done("stop")


def test_why_knows_how_long_an_adopted_run_has_run(ox: Ox):
    ox.up(SLEEPER)
    ox.eventually(lambda: ox.rows()["a"]["uptime_secs"] > 3, "it to have run for a while")
    ox.supervisor().kill()
    ox.becomes("a", "running")

    [seconds] = re.findall(r"has been running for ([\d.]+) s", ox.done("why", "a"))

    assert float(seconds) >= 3


def test_when_both_are_dead_start_begins_with_a_new_keeper(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper = ox.keeper()
    ox.crash()
    ox.refused(3, "status")

    ox.done("start")

    assert ox.keeper() != keeper
    assert len(supervisors(ox)) == 1


def test_stop_leaves_neither(ox: Ox):
    ox.up(SLEEPER)
    pids = [ox.keeper().pid, ox.supervisor().pid]

    ox.done("stop")

    assert [alive(pid) for pid in pids] == [False, False]
    assert ox.ours() == []


def test_a_signal_to_the_keeper_stops_all_in_order(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper, supervisor = ox.keeper(), ox.supervisor()

    keeper.terminate()

    ox.eventually(lambda: not ox.ours(), "all to end")
    assert not alive(supervisor.pid)
    assert [each["kind"] for each in ox.events()][-1] == "ended"


def test_the_supervisor_is_tried_again_until_the_oxfile_is_whole(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    keeper = ox.keeper()
    ox.write("[processes.a\n")
    killed = kill(ox)
    time.sleep(0.3)  # what happens until then may be either

    ox.write(SLEEPER)

    ox.eventually(lambda: ox("start").returncode == 0, "a start")
    assert successor(ox, killed).parent() == keeper


def test_a_start_that_fails_leaves_no_keeper(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    ox.done("stop")
    (ox.runtime / "control.sock").mkdir()

    ox.refused(1, "start")

    ox.eventually(lambda: not ox.ours(), "all to be gone")
    (ox.runtime / "control.sock").rmdir()
    (ox.state / "supervisor.log").unlink()  # it may tell of that at length
    ox.done("start")


def test_beside_a_supervisor_in_the_foreground_there_is_none(ox: Ox):
    ox.write(SLEEPER)
    running = ox.foreground("run")
    ox.becomes("a", "running")

    ox.done("start")

    assert not [each for each in ox.ours() if is_keeper(each)]
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    ox.refused(3, "status")


def test_an_app_knows_nothing_of_the_keeper(ox: Ox):
    ox.write("[processes.a]\ncommand = 'env > given; exec sleep 3600'\nstart_secs = 0\n")
    ox.done("start")

    assert "OXTRIO_KEEPER" not in ox.content("given", lambda text: "OXTRIO_RUN_ID" in text)
    assert "OXTRIO_KEEPER" in ox.supervisor().environ()


def test_a_signal_to_the_whole_session_stops_in_order_and_kills_nobody(ox: Ox):
    ox.write(
        "[processes.slow]\nstart_secs = 0\n"
        'command = \'trap "sleep 1; echo done > ended; exit 0" TERM; touch ready;'
        " while :; do sleep 0.05; done'\n"
    )
    ox.done("start")
    ox.eventually((ox.folder / "ready").exists, "the trap")
    keeper = ox.keeper()

    os.killpg(os.getpgid(keeper.pid), signal.SIGTERM)

    ox.eventually(lambda: not alive(keeper.pid), "the keeper to end")
    assert (ox.folder / "ended").read_text() == "done\n", "it was given its time"
