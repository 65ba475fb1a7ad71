"""A release that does not work is to take over: every request is answered by the old one."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from benchmarks.outcome import Outcome
from tests.e2e.kit import Row, project
from tests.e2e.processes import Foreground
from tests.e2e.site import Site

pytestmark = pytest.mark.slow

SERVERS = {
    "uvicorn": "uvicorn main:app --host 0.0.0.0 --port {port}",
    "gunicorn": "gunicorn app:app --bind 0.0.0.0:{port} --workers 2",
}
PATIENCE = {"exits": 60, "unhealthy": 6, "silent": 6}
"""Seconds that the newcomer has: to exit it may take its time."""
RELEASES = {
    "exits": "RuntimeError: this release does not even load",
    # The machine may be too busy for an answer in time.
    "unhealthy": "not ready within 6 s; last health answer: (503|timed out)",
    "silent": "not ready within 6 s; last health answer: timed out",
}
LAST_WORDS = {
    "exits": "RuntimeError: this release does not even load",
    "unhealthy": "GET /health.* 503|Starting gunicorn|Booting worker",
    "silent": "Started server|Starting gunicorn|Booting worker",
}


@dataclass
class Tried:
    """A reload that put a broken release to the test."""

    reload: Foreground
    during: Outcome
    before: Row
    after: Row
    answers: str | None


@pytest.fixture(scope="module")
def tried() -> Iterator[dict[str, Tried]]:
    """All of them at once: they wait for most of the time, and so do their clients here."""
    with project() as ox, ExitStack() as stack:
        names = {f"{server}-{release}": release for server in SERVERS for release in RELEASES}
        sites = {name: Site(ox, name, SERVERS[name.partition("-")[0]]) for name in names}
        ox.up("".join(_oxfile(site, names[name]) for name, site in sites.items()))
        before = ox.rows()
        loads = {name: stack.enter_context(site.load(pause=0.05)) for name, site in sites.items()}
        for name, site in sites.items():
            loads[name].wait_answers(5)
            site.release(names[name])
        reloads = {name: ox.foreground("reload", name) for name in sites}
        for name, reload in reloads.items():
            reload.ends()
            loads[name].wait_answers(20)
        records = {name: load.stop() for name, load in loads.items()}
        after = ox.rows()
        yield {
            name: Tried(
                reloads[name],
                records[name].whole,
                before[name],
                after[name],
                site.answering(),
            )
            for name, site in sites.items()
        }


def _oxfile(site: Site, release: str) -> str:
    more = f"ready_timeout_secs = {PATIENCE[release]}", "stop_timeout_ms = 500"
    return site.oxfile(*more, health="timeout_secs = 1")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("server", SERVERS)
class TestABrokenRelease:
    def test_every_request_is_answered_by_the_old_one(self, tried, server, release):
        during = tried[f"{server}-{release}"].during

        assert during.failed == {}
        assert during.raced_close == 0
        assert set(during.releases) == {"1"}

    def test_the_command_fails_and_says_why_with_the_last_words(self, tried, server, release):
        name = f"{server}-{release}"
        ended = tried[name].reload

        assert ended.process.returncode == 1
        [error] = re.findall("(?m)^error: (.*)$", ended.err)
        assert error.startswith(f"cannot reload {name}: ")
        assert re.search(RELEASES[release], error)
        assert f"{name} runs on as it was" in error
        words = [line for line in ended.err.splitlines() if line.startswith("    ")]
        assert any(re.search(LAST_WORDS[release], line) for line in words)

    def test_the_old_one_is_shown_as_if_nothing_had_been(self, tried, server, release):
        found = tried[f"{server}-{release}"]

        same = ("pid", "status", "health", "restarts", "started_at", "version", "exit")
        assert {key: found.after[key] for key in same} == {key: found.before[key] for key in same}
        assert found.answers == "1"
