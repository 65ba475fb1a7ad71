"""K07, K08, K14, K15: two supervisors, a program that is gone, a runtime folder that is wiped."""

import shutil
import signal
from collections import Counter

import psutil
import pytest

from tests.e2e.kit import CANARY, Ox, is_keeper, is_supervisor
from tests.e2e.processes import alive
from tests.e2e.test_upgrade import Installed
from tests.faults.invariants import never_two

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
AT_ONCE = 6


def supervisors(ox: Ox) -> list[psutil.Process]:
    return [each for each in ox.ours() if is_supervisor(each) and not is_keeper(each)]


def test_k07_of_many_in_the_foreground_at_once_one_serves_and_the_others_say_so(ox: Ox):
    ox.write(SLEEPER + CANARY)
    with never_two(ox, "a", "canary"):
        started = [ox.foreground("run") for _ in range(AT_ONCE)]
        ox.eventually(lambda: len(ended(started)) == AT_ONCE - 1, "all but one to end")
        ox.becomes("a", "running")

        assert Counter(each.process.returncode for each in ended(started)) == {1: AT_ONCE - 1}
        for each in ended(started):
            assert each.err.count("error: ") == 1
            assert "already" in each.err
        [winner] = [each for each in started if each.process.poll() is None]
        assert ox.supervisor().pid == winner.process.pid
    winner.signal(signal.SIGTERM)
    assert winner.ends() == 0


def ended(started):
    return [each for each in started if each.process.poll() is not None]


def test_k07_many_starts_at_once_make_one_supervisor_and_all_succeed(ox: Ox):
    ox.write(SLEEPER + CANARY)
    with never_two(ox, "a", "canary"):
        started = [ox.foreground("start") for _ in range(AT_ONCE)]

        assert [(each.ends(), "error" in each.err) for each in started] == [(0, False)] * AT_ONCE
    assert len([each for each in ox.ours() if is_keeper(each)]) == 1
    assert supervisors(ox) == [ox.supervisor()]


def test_k14_when_the_program_is_gone_from_the_disk_the_supervisor_still_can_do_everything(ox: Ox):
    installed = Installed(ox)
    ox.up(
        SLEEPER
        + SLEEPER.replace(".a]", ".b]")
        + "[processes.loud]\ncommand = 'while :; do echo 0123456789; done'\nstart_secs = 0\n"
        "logs = { max_size_mb = 0.1, compress = true }\n"
    )
    shutil.rmtree(installed.folder)
    del ox.environ["PYTHONPATH"]  # who asks has a program of its own

    for words in (
        ("status", "--json"),
        ("events",),
        ("logs", "-n", "3"),
        ("why", "a"),
        ("restart", "a"),
        ("scale", "b=2"),
        ("reload", "a"),
    ):
        ox.done(*words)
    old = ox.pid("a")
    psutil.Process(old).kill()
    ox.becomes("a", "running", after=old)
    logs = ox.state / "logs"
    ox.eventually(lambda: [*logs.glob("loud.log.*gz")], "a log to be rotated and compressed")
    ox.done("stop", "loud")
    (ox.folder / "oxfile.toml").write_text("[processes.a\n")
    ox.refused(2, "restart", "a")

    ox.done("stop")

    assert ox.ours() == []


def test_k15_a_runtime_folder_that_is_wiped_costs_no_app_its_life_and_makes_no_second_one(ox: Ox):
    ox.write(SLEEPER + CANARY)
    ox.done("start")
    before, supervisor = ox.pid("a"), ox.supervisor()
    with never_two(ox, "a", "canary"):
        shutil.rmtree(ox.runtime)

        assert f"kill {supervisor.pid}" in ox.refused(3, "start")
        assert f"kill {supervisor.pid}" in ox.refused(3, "status")
        assert alive(before)
        assert [each.pid for each in supervisors(ox)] == [supervisor.pid]
    supervisor.terminate()
    ox.eventually(lambda: not ox.ours(), "all to end in order")
    ox.done("start")
    ox.becomes("a", "running")
