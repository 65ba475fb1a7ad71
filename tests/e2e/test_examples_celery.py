"""examples/fastapi-celery, as its README tells a newcomer to run it, and then mistreated.

The tests share one running stack, in the order in which they stand here: the last one stops it.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from tests.e2e.stack import BIN, DEADLINE, Stack, answer, copied, free_port, gone, kill

REDIS = shutil.which("redis-server")

pytestmark = pytest.mark.slow
needs_redis = pytest.mark.skipif(
    REDIS is None and os.environ.get("CI") != "true",
    reason="redis-server is not installed: apt-get install redis-server",
)


@dataclass
class Reports:
    """The client of examples/fastapi-celery."""

    stack: Stack
    url: str

    def order(self, title: str, seconds: float) -> str:
        """Put a report into the queue; returns the id of its task."""
        body = {"title": title, "seconds": seconds}
        ordered = httpx.post(f"{self.url}/reports", json=body, timeout=DEADLINE)
        assert ordered.status_code == 202, ordered.text
        return str(ordered.json()["task_id"])

    def read(self, task_id: str) -> dict[str, object]:
        return dict(httpx.get(f"{self.url}/reports/{task_id}", timeout=DEADLINE).json())

    def wait_built(self, task_id: str) -> dict[str, object]:
        """The report of a task, when it is there."""
        found = self.stack.eventually(lambda: self.read(task_id)["result"], f"task {task_id}")
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def reports() -> Iterator[Reports]:
    if REDIS is None:
        pytest.fail("CI must install redis-server")
    port = free_port()
    with copied("fastapi-celery", WEB_PORT=port, REDIS_PORT=free_port()) as stack:
        stack.done("start")
        yield Reports(stack, f"http://127.0.0.1:{port}")


def test_start_refuses_a_stack_whose_redis_server_is_not_installed():
    with copied("fastapi-celery", WEB_PORT=free_port(), REDIS_PORT=free_port()) as stack:
        stack.environ["PATH"] = str(BIN)

        refused = stack.oxtrio("start")

        assert refused.returncode != 0
        assert "redis-server" in refused.stderr


@needs_redis
def test_when_start_returns_the_stack_is_up(reports: Reports):
    answered = httpx.get(f"{reports.url}/health", timeout=DEADLINE)

    assert answered.json()["checks"] == {"database": "ok", "queue": "ok"}
    reports.stack.done("status")
    states = {name: reports.stack.status(name)["status"] for name in ("migrate", "web", "beat")}
    assert states == {"migrate": "exited", "web": "running", "beat": "running"}


@needs_redis
def test_a_task_goes_through_the_queue(reports: Reports):
    task_id = reports.order("through the queue", seconds=0)

    assert reports.wait_built(task_id)["title"] == "through the queue"
    assert "through the queue" in httpx.get(f"{reports.url}/reports").json()["reports"]


@needs_redis
def test_beat_sends_its_task_and_the_worker_does_it(reports: Reports):
    reports.stack.eventually(
        lambda: httpx.get(f"{reports.url}/reports").json()["pulses"], "the pulse of beat"
    )


@needs_redis
def test_a_restart_waits_for_the_task_in_progress_and_loses_none(reports: Reports):
    old = reports.stack.pid("worker")
    children = [child.pid for child in psutil.Process(old).children(recursive=True)]
    task_ids = [reports.order(f"during a restart {number}", seconds=5) for number in range(4)]
    begun = task_ids[0]
    reports.stack.eventually(lambda: reports.read(begun)["state"] == "STARTED", "the task to begin")

    reports.stack.done("restart", "worker")

    assert reports.stack.pid("worker") != old
    assert reports.wait_built(begun)["built_by"] in children
    for task_id in task_ids:
        reports.wait_built(task_id)


@needs_redis
def test_a_killed_worker_comes_back_and_its_orphans_do_not_stay(reports: Reports):
    old = reports.stack.pid("worker")

    orphans = kill(old)

    reports.stack.back("worker", after=old)
    assert gone(orphans)
    assert reports.wait_built(reports.order("after the kill", seconds=0))


@needs_redis
def test_a_killed_web_process_comes_back_and_its_orphans_do_not_stay(reports: Reports):
    old = reports.stack.pid("web")

    orphans = kill(old)

    row = reports.stack.back("web", after=old)
    assert gone(orphans)
    assert row["restarts"] == 1
    assert answer(f"{reports.url}/health")


@needs_redis
def test_a_worker_over_its_memory_limit_is_restarted_and_events_say_why(reports: Reports):
    old = reports.stack.pid("worker")

    httpx.post(f"{reports.url}/leak?megabytes=600", timeout=DEADLINE)

    reports.stack.back("worker", after=old)
    assert "memory" in reports.stack.done("events")
    assert reports.wait_built(reports.order("after the leak", seconds=0))


@needs_redis
def test_a_killed_redis_comes_back_with_what_it_held(reports: Reports):
    task_id = reports.order("kept by redis", seconds=0)
    built = reports.wait_built(task_id)
    old = reports.stack.pid("redis")

    kill(old)

    reports.stack.back("redis", after=old)
    reports.stack.eventually(lambda: answer(f"{reports.url}/health"), "the queue to be well")
    assert reports.wait_built(task_id) == built


@needs_redis
def test_stop_leaves_nothing_of_the_stack_running(reports: Reports):
    reports.stack.done("stop")

    assert reports.stack.running() == []
    assert reports.stack.oxtrio("status").returncode == 3
