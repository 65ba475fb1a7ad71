"""Who serves a held address: instances come and go, and no request fails."""

import os
import signal

import pytest

from benchmarks.load import start
from tests.e2e.kit import Ox
from tests.e2e.processes import alive, eventually
from tests.e2e.site import Api, Site, is_refused, who

pytestmark = pytest.mark.slow


@pytest.fixture
def api(ox: Ox) -> Api:
    return Api(ox)


def test_run_in_the_foreground_holds_it_too(api: Api):
    ox = api.ox
    ox.write(api.oxfile())
    running = ox.foreground("run")
    ox.becomes("api", "running")
    before = ox.pid("api")
    with start(api.load()) as load:
        load.wait_answers(20)
        os.kill(before, signal.SIGKILL)
        ox.becomes("api", "running", after=before)
        load.wait_answers(20)
        ox.write(api.oxfile(release="2"))
        ox.done("reload", "api")
        load.wait_answers(20)
        found = load.stop().whole

    assert "refused" not in found.failed
    assert found.failures <= 4
    assert set(found.releases) == {"1", "2"}
    running.signal(signal.SIGINT)
    assert running.ends() == 0
    assert is_refused(api.port)


def test_scale_adds_and_drains_instances_and_no_request_fails(api: Api):
    ox = api.ox
    ox.up(api.oxfile())
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.done("scale", "api=3")
        three = api.pids(3)
        eventually(lambda: api.answered_by() == {*three.values()}, "all three to answer")
        load.wait_answers(20)
        ox.done("scale", "api=1")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(ox.rows()) == {"api", "canary"}
    assert ox.pid("api") == three["api:0"]
    assert not any(alive(three[name]) for name in ("api:1", "api:2"))
    assert api.answered_by(5) == {three["api:0"]}


def test_a_drained_instance_gets_no_new_connections_until_it_is_resumed(api: Api):
    ox = api.ox
    ox.up(api.oxfile("instances = 2"))
    pids = api.pids(2)
    with start(api.load()) as load:
        load.wait_answers(20)

        ox.done("drain", "api:0")

        assert ox.rows()["api:0"]["status"] == "drained"
        assert api.answered_by() == {pids["api:1"]}
        assert "no other instance" in ox.refused(1, "drain", "api:1")
        ox.done("resume", "api:0")
        eventually(lambda: api.answered_by() == {*pids.values()}, "both to answer")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert api.pids(2) == pids
    assert {row["status"] for row in ox.rows().values()} == {"running"}


def test_sighup_to_the_supervisor_puts_a_change_into_service_and_no_request_fails(api: Api):
    ox = api.ox
    ox.up(api.oxfile())
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.up(api.oxfile(release="2"), "canary")

        ox.supervisor().send_signal(signal.SIGHUP)

        eventually(lambda: (who(api.port) or " ")[0] == "2", "the change")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(found.releases) == {"1", "2"}


def test_a_server_that_reloads_itself_is_sent_its_signal(ox: Ox):
    site = Site(ox, "web", "gunicorn app:app --bind 127.0.0.1:{port} --workers 1")
    ox.up(site.oxfile('reload = { signal = "SIGHUP" }'))
    master = ox.pid("web")
    assert ox.rows()["web"]["reload"] == "SIGHUP"
    site.release("2")

    ox.done("reload", "web")

    eventually(lambda: site.answering() == "2", "gunicorn to have reloaded")
    assert ox.pid("web") == master
