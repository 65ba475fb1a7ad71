"""kill -9 of the supervisor with nobody beside it: the sockets are found in the runs."""

import os
import signal

import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import alive, eventually
from tests.e2e.site import GENTLE, LOST, Api, is_refused

pytestmark = pytest.mark.slow


@pytest.fixture
def api(ox: Ox) -> Api:
    return Api(ox)


def test_instances_are_steered_as_before(api: Api):
    ox = api.ox
    ox.up(api.oxfile("instances = 3"))
    # Spare sockets, which go with the supervisor and let the kernel count anew.
    ox.done("reload", "api")
    ox.done("restart", "api:1")
    pids = api.pids(3)
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.crash()
        load.wait_answers(20)
        ox.done("start")
        load.wait_answers(20)

        assert api.pids(3) == pids
        for name, pid in pids.items():
            ox.done("drain", name)
            assert api.answered_by() == {*pids.values()} - {pid}
            ox.done("resume", name)
        eventually(lambda: api.answered_by() == {*pids.values()}, "all to answer")
        found = load.stop().whole

    assert found.failed == {}
    assert ox.rows()["api:0"]["listen"] == [f"127.0.0.1:{api.port}"]


def test_reload_and_scale_fail_no_request(api: Api):
    ox = api.ox
    ox.up(api.oxfile("instances = 2"))
    ox.crash()
    ox.done("start")
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.write(api.oxfile("instances = 2", release="2"))
        ox.done("reload", "api")
        ox.done("scale", "api=4")
        load.wait_answers(20)
        ox.done("scale", "api=1")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(found.releases) == {"1", "2"}


def test_the_address_is_held_when_its_app_dies_afterwards(api: Api):
    ox = api.ox
    ox.up(api.oxfile("restart_on_exit = true"))
    ox.crash()
    ox.done("start")
    before = ox.pid("api")
    with start(api.load()) as load:
        load.wait_answers(20)
        os.kill(before, signal.SIGKILL)
        ox.becomes("api", "running", after=before)
        load.wait_answers(20)
        found = load.stop().whole

    assert set(found.failed) <= LOST, found.failed
    ox.done("stop", "api")
    assert is_refused(api.port)


def test_a_keeper_that_came_later_has_them_too(api: Api):
    ox = api.ox
    ox.up(api.oxfile("instances = 2"))
    ox.crash()
    ox.done("start")
    pids = api.pids(2)
    with start(api.load()) as load:
        load.wait_answers(20)
        old = ox.supervisor()
        old.kill()
        os.kill(pids["api:0"], signal.SIGKILL)
        ox.becomes("api:0", "running", after=pids["api:0"])
        ox.done("reload", "api")
        load.wait_answers(20)
        found = load.stop().whole

    assert ox.supervisor() != old
    assert set(found.failed) <= LOST, found.failed


def test_what_was_run_in_the_foreground_is_taken_over(api: Api):
    ox = api.ox
    ox.write(api.oxfile("instances = 2"))
    running = ox.foreground("run")
    for name in ("api:0", "api:1"):
        ox.becomes(name, "running")
    pids = api.pids(2)
    with start(api.load()) as load:
        load.wait_answers(20)
        running.signal(signal.SIGKILL)
        running.process.wait()
        ox.done("start")
        assert api.pids(2) == pids
        ox.done("reload", "api")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}


def test_one_that_died_meanwhile_takes_nobodys_place(api: Api):
    """What it had is gone; the numbers of those who are left have changed."""
    ox = api.ox
    ox.up(api.oxfile("instances = 3", "restart_on_exit = true"))
    pids = api.pids(3)
    ox.crash()
    os.kill(pids["api:0"], signal.SIGKILL)
    ox.done("start")
    ox.becomes("api:0", "running", after=pids["api:0"])
    now = api.pids(3)

    assert {name for name in now if now[name] == pids[name]} == {"api:1", "api:2"}
    eventually(lambda: api.answered_by() == {*now.values()}, "all to answer")
    for name, pid in now.items():
        ox.done("drain", name)
        assert api.answered_by() == {*now.values()} - {pid}
        ox.done("resume", name)


def test_a_unix_socket_is_found_by_its_name(ox: Ox):
    path = ox.folder / "api.sock"
    ox.up(
        f'[processes.api]\ncommand = "{PYTHON} {FIXTURES}/handed.py 1"\nlisten = "unix:{path}"\n'
        "stop_timeout_ms = 3000\n"
    )
    before = ox.pid("api")
    with start(LoadSpec(f"unix:{path}", concurrency=2, pause=GENTLE)) as load:
        load.wait_answers(20)
        ox.crash()
        ox.done("start")
        assert ox.pid("api") == before
        ox.done("reload", "api")
        load.wait_answers(20)
        os.kill(now := ox.pid("api"), signal.SIGKILL)
        ox.becomes("api", "running", after=now)
        load.wait_answers(20)
        found = load.stop().whole

    assert set(found.failed) <= LOST, found.failed
    assert not [each for each in ox.folder.iterdir() if each.name.startswith(".api.sock")][2:]


def test_one_socket_that_all_share_is_one(api: Api):
    ox = api.ox
    ox.environ["OXTRIO_STEERING"] = "off"
    ox.up(api.oxfile("instances = 2"))
    pids = api.pids(2)
    ox.crash()
    ox.done("start")
    with start(api.load()) as load:
        load.wait_answers(20)
        os.kill(pids["api:0"], signal.SIGKILL)
        ox.becomes("api:0", "running", after=pids["api:0"])
        load.wait_answers(20)
        found = load.stop().whole

    assert set(found.failed) <= LOST, found.failed


SLEEPERS = "".join(
    f'[processes.{name}]\ncommand = "sleep 3600"\nstart_secs = 0\n' for name in ("a", "b")
)


def test_every_command_says_that_apps_run_without_a_supervisor(ox: Ox):
    ox.up(SLEEPERS)
    ox.crash()

    for words in (["status"], ["restart", "a"], ["why", "a"], ["logs"], ["wait", "a"], ["reload"]):
        assert "the supervisor is gone, but its apps still run" in ox.refused(3, *words)
    assert "oxtrio start goes on with them" in ox.refused(3, "status")
    ox.done("start")


def test_to_stop_one_of_them_the_others_get_a_supervisor(ox: Ox):
    ox.up(SLEEPERS)
    before = {name: ox.pid(name) for name in ("a", "b")}
    ox.crash()

    ended = ox("stop", "a")

    assert ended.returncode == 0
    assert "starts it again" in ended.stderr
    assert ox.rows()["a"]["status"] == "stopped"
    assert not alive(before["a"])
    assert ox.pid("b") == before["b"]


def test_a_broken_oxfile_keeps_nobody_without_a_supervisor(ox: Ox):
    ox.write(SLEEPERS)
    ox.done("start")
    before = ox.pid("a")
    ox.crash()
    whole = (ox.folder / "oxfile.toml").read_text()
    ox.write("[processes.a\n")

    assert "oxfile.toml:1" in ox("start").stderr

    assert ox.pid("a") == before
    assert "what it said before holds" in ox("status").stderr
    ox.crash()
    ox.done("stop")
    assert not alive(before)
    assert ox.ours() == []
    ox.write(whole)
    ox.done("start")
