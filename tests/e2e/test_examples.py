"""The examples without a broker, as their READMEs tell a newcomer to run them, and then mistreated.

The tests of one example share one running stack, in the order in which they stand here: the
last of each stops it.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from tests.e2e.stack import BIN, DEADLINE, Stack, answer, copied, free_port, gone, kill

pytestmark = pytest.mark.slow


def test_the_demo_serves_survives_and_ends_with_ctrl_c():
    port = free_port()
    with copied("demo", DEMO_PORT=port, FLAKY_SECS="1") as stack:
        url = f"http://127.0.0.1:{port}"
        running = subprocess.Popen(
            [BIN / "oxtrio", "run"], cwd=stack.folder, env=stack.environ, stdout=subprocess.DEVNULL
        )
        with running:
            stack.eventually(lambda: answer(f"{url}/health"), "the demo to be up")

            httpx.post(f"{url}/orders", data={"drink": "tea"}, timeout=DEADLINE)
            stack.eventually(lambda: "served" in httpx.get(f"{url}/orders").text, "the tea")
            old = stack.pid("web")
            kill(old)
            stack.back("web", after=old)
            stack.eventually(lambda: stack.status("flaky")["restarts"], "the thermometer to crash")

            assert "the cable came loose" in stack.done("why", "flaky")
            running.send_signal(signal.SIGINT)
            assert running.wait(DEADLINE) == 0
        assert stack.running() == []


@dataclass
class Site:
    """A running example of gunicorn, and where in it things are."""

    stack: Stack
    app: str
    url: str
    health: str
    slow: str
    leak: str


@pytest.fixture(scope="module", params=["django", "flask"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    port = free_port()
    slash = "/" if request.param == "django" else ""
    with copied(f"{request.param}-gunicorn", WEB_PORT=port) as stack:
        stack.done("start")
        url = f"http://127.0.0.1:{port}"
        paths = (f"{url}/{path}{slash}" for path in ("health", "slow", "leak"))
        yield Site(stack, "web" if request.param == "django" else "app", url, *paths)


def test_when_start_returns_the_site_is_healthy_and_migrated(site: Site):
    httpx.post(site.url, data={"name": "Ann"}, timeout=DEADLINE)

    assert "Ann" in httpx.get(site.url, timeout=DEADLINE).json()["entries"]
    assert httpx.get(site.health, timeout=DEADLINE).json()["checks"]["database"] == "ok"
    assert site.stack.status(site.app)["health"] == "healthy"


def test_a_killed_gunicorn_worker_is_gunicorns_own_affair(site: Site):
    master = site.stack.pid(site.app)
    victim, *_ = psutil.Process(master).children()

    os.kill(victim.pid, signal.SIGKILL)

    def replaced() -> bool:
        children = psutil.Process(master).children()
        return victim not in children and len(children) == 2

    site.stack.eventually(replaced, "gunicorn to replace its worker")
    assert (site.stack.pid(site.app), site.stack.status(site.app)["restarts"]) == (master, 0)


def test_a_request_in_progress_is_answered_before_a_restart(site: Site):
    old = site.stack.pid(site.app)
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{site.slow}?secs=5", timeout=DEADLINE))
    )
    asking.start()
    site.stack.eventually(
        lambda: "a request of 5 s begins" in site.stack.done("logs", site.app), "the request"
    )

    site.stack.done("restart", site.app)

    asking.join(DEADLINE)
    assert [response.status_code for response in answers] == [200]
    assert site.stack.pid(site.app) != old


def test_a_killed_gunicorn_comes_back_and_its_orphans_do_not_stay(site: Site):
    old = site.stack.pid(site.app)

    orphans = kill(old)

    row = site.stack.back(site.app, after=old)
    assert gone(orphans)
    assert row["restarts"] == 1
    assert answer(site.health)


def test_a_site_over_its_memory_limit_is_restarted_and_events_say_why(site: Site):
    old = site.stack.pid(site.app)

    httpx.post(f"{site.leak}?megabytes=600", timeout=DEADLINE)

    site.stack.back(site.app, after=old)
    assert "memory" in site.stack.done("events")
    assert answer(site.health)


def test_stop_leaves_nothing_of_the_site_running(site: Site):
    site.stack.done("stop")

    assert site.stack.running() == []
    assert answer(site.health) is None
