"""Who waits for whom, and what becomes of those who wait in vain."""

import os
import signal

import pytest

from tests.e2e.kit import Ox
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

ONE_SHOT = "restart_on_exit = false\n"
UNTIL_GATE = "until test -e gate; do sleep 0.02; done"


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\n{keys}\n"


WEB = "echo web >> order; exec sleep 3600"


def passing(name: str) -> str:
    """A dependency that becomes healthy when the gate opens."""
    command = f"{UNTIL_GATE}; echo {name} >> order.{name}; touch well; exec sleep 3600"
    check = f'[processes.db-{name}.health_check]\ncommand = "test -e well"\ninterval_secs = 0.1\n'
    return app(f"db-{name}", command) + check


def ending(name: str, code: int) -> str:
    return app(f"db-{name}", f"{UNTIL_GATE}; echo {name} >> order.{name}; exit {code}", ONE_SHOT)


DEPENDENCIES = {
    "completed": ending("completed", 0),
    "exited": ending("exited", 3),
    "healthy": passing("healthy"),
    "ready": passing("ready"),
}


def test_what_depends_starts_when_its_condition_is_met(ox: Ox):
    webs = (
        app(
            f"web-{condition}",
            f"echo web >> order.{condition}; exec sleep 3600",
            f'start_secs = 0\ndepends_on = {{ db-{condition} = "{condition}" }}',
        )
        for condition in DEPENDENCIES
    )
    ox.up("".join([*DEPENDENCIES.values(), *webs]), "--no-wait")
    for condition in DEPENDENCIES:
        assert f"db-{condition}" in ox.becomes(f"web-{condition}", "blocked")["reason"]

    (ox.folder / "gate").touch()

    for condition in DEPENDENCIES:
        ox.becomes(f"web-{condition}", "running")
        ox.content(f"order.{condition}", lambda text: "web" in text)
        order = (ox.folder / f"order.{condition}").read_text().split()
        assert order == [condition, "web"]


def test_started_is_enough_where_the_other_has_no_readiness_test(ox: Ox):
    ox.up(
        app("db", "exec sleep 3600", "start_secs = 3600")
        + app("web", WEB, "start_secs = 0\ndepends_on = ['db']"),
        "--no-wait",
    )

    ox.becomes("web", "running")
    assert ox.rows()["db"]["status"] == "starting"


def test_a_failed_dependency_leaves_its_dependents_blocked_with_the_reason(ox: Ox):
    ox.write(
        app("migrate", "echo no such table; exit 3", ONE_SHOT)
        + app("web", WEB, 'start_secs = 0\ndepends_on = { migrate = "completed" }')
        + app("proxy", "sleep 3600", 'start_secs = 0\ndepends_on = ["web"]')
    )

    ended = ox("start")

    assert ended.returncode == 1
    assert "no such table" in ended.stderr
    rows = ox.rows()
    assert {name: row["status"] for name, row in rows.items()} == {
        "migrate": "crashed",
        "web": "blocked",
        "proxy": "blocked",
    }
    assert "migrate" in rows["web"]["reason"]
    assert not (ox.folder / "order").exists()
    assert "migrate" in ox.done("why", "web")


def test_when_the_dependency_is_mended_start_carries_on(ox: Ox):
    ox.up(
        app("migrate", "test -e mended", ONE_SHOT)
        + app("web", WEB, 'start_secs = 0\ndepends_on = { migrate = "completed" }'),
        "canary",
    )
    assert ox("start").returncode == 1
    (ox.folder / "mended").touch()

    ox.done("start")

    assert ox.rows()["web"]["status"] == "running"


def test_the_restart_of_a_dependency_touches_nobody(ox: Ox):
    ox.up(
        app("db", "exec sleep 3600", "start_secs = 0")
        + app("web", "exec sleep 3600", 'start_secs = 0\ndepends_on = ["db"]')
    )
    db, web = ox.pid("db"), ox.pid("web")

    os.kill(db, signal.SIGKILL)

    ox.becomes("db", "running", after=db)
    assert (ox.pid("web"), alive(web)) == (web, True)
    assert ox.rows()["web"]["restarts"] == 0


def test_independent_apps_start_side_by_side(ox: Ox):
    both = "touch {0}.up; until test -e {1}.up; do sleep 0.02; done"
    ox.write(app("a", both.format("a", "b"), ONE_SHOT) + app("b", both.format("b", "a"), ONE_SHOT))

    ox.done("start")

    assert {row["status"] for row in ox.rows().values()} == {"exited"}


def test_when_an_app_with_on_exit_ends_for_good_the_project_ends(ox: Ox):
    ox.write(
        app("main", UNTIL_GATE, ONE_SHOT + 'on_exit = "shutdown"\nstart_secs = 0')
        + app("other", "exec sleep 3600", "start_secs = 0")
    )
    ox.done("start", "--no-wait")
    ox.becomes("other", "running")

    (ox.folder / "gate").touch()

    ox.eventually(lambda: not ox.ours(), "the project to end")
    ox.refused(3, "status")
