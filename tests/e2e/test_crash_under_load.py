"""A whole run is killed while clients ask at full speed: they wait, and none is refused."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.kit import Ox, project
from tests.e2e.processes import alive
from tests.e2e.site import AT_A_TIME, LOST, Site

pytestmark = pytest.mark.slow

UVICORN = "uvicorn main:app --host 0.0.0.0 --port {port}"
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn-workers": f"{UVICORN} --workers 2",
    "gunicorn": "gunicorn app:app --bind 0.0.0.0:{port} --workers 2",
    "gthread": "gunicorn app:app -b :{port} -w 2 --worker-class gthread --threads 2",
}

Sites = dict[str, Site]


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with project() as ox:
        sites = {name: Site(ox, name, command) for name, command in SERVERS.items()}
        ox.up("".join(site.oxfile() for site in sites.values()))
        yield sites


@pytest.mark.parametrize("name", SERVERS)
def test_after_kill_9_of_the_whole_run_only_requests_in_flight_are_lost(sites: Sites, name: str):
    site = sites[name]
    before = site.ox.pid(name)
    with site.load(pause=0) as new, site.load(keep_alive=True) as kept:
        loads = (new, kept)
        for load in loads:
            load.wait_answers(20)

        # Its main process leads the group in which all its workers are.
        os.killpg(before, signal.SIGKILL)

        site.ox.becomes(name, "running", after=before)
        for load in loads:
            load.wait_answers(20)
        records = [load.stop() for load in loads]

    for record in records:
        whole = record.whole
        assert set(whole.failed) <= LOST, record.first
        assert whole.failures + whole.raced_close <= AT_A_TIME
    assert site.ox.rows()[name]["restarts"] == 1


def test_instances_of_one_server_share_its_port_and_one_may_die(ox: Ox):
    """Without a held socket the second of them would not even start."""
    site = Site(ox, "api", "uvicorn main:app --port {port}")
    ox.up(site.oxfile("instances = 3"))
    names = [f"api:{number}" for number in range(3)]
    pids = {name: ox.pid(name) for name in names}
    with site.load() as load:
        load.wait_answers(100)
        all_answered = load.so_far()

        os.killpg(pids["api:1"], signal.SIGKILL)

        ox.becomes("api:1", "running", after=pids["api:1"])
        load.wait_answers(100)
        record = load.stop()

    assert all_answered[1] == 0
    whole = record.whole
    assert {int(who.partition("/")[2]) for who in whole.answered_by} == {
        *pids.values(),
        ox.pid("api:1"),
    }
    assert set(whole.failed) <= LOST, record.first
    assert whole.failures <= AT_A_TIME
    assert [ox.pid(name) for name in ("api:0", "api:2")] == [pids["api:0"], pids["api:2"]]
    assert all(alive(pids[name]) for name in ("api:0", "api:2"))


def test_instances_are_reloaded_one_after_the_other_and_no_request_fails(ox: Ox):
    site = Site(ox, "api", "uvicorn main:app --port {port}")
    ox.up(site.oxfile("instances = 2"))
    with site.load() as load:
        load.wait_answers(20)
        site.release("2")

        ox.done("reload", "api")

        assert site.answering() == "2"
        load.wait_answers(20)
        record = load.stop()

    assert record.whole.failed == {}, record.first
    told = [each for each in ox.events() if each["kind"] == "replaced"]
    assert [each["name"] for each in told] == ["api:0", "api:1"]
