import json

import pytest

from oxtrio.cli.standing import all_up
from oxtrio.errors import NotRunning
from oxtrio.model.state import State
from oxtrio.model.status import LastExit
from tests.cli.scripted import row

FIELDS = (
    "name app instance pid status health cpu_percent memory_bytes restarts uptime_secs started_at"
    " exit reason next_at listen command config tags version"
)


def test_the_table_goes_to_stdout(oxtrio, client):
    client.rows = [row("api", health="healthy")]

    code, out, err = oxtrio("status")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "NAME  PID    STATUS   CPU   MEM     RESTARTS  UPTIME  HEALTH   REASON",
        "api   22140  running  3.2%  210 MB  0         2d 6h   healthy",
    ]


def test_only_the_named_apps_are_shown(oxtrio, client):
    client.rows = [row("api"), row("worker")]

    assert "api" not in oxtrio("status", "worker")[1]


@pytest.mark.parametrize("state", sorted({*State} - {"running", "reloading", "drained", "exited"}))
def test_a_wanted_instance_that_is_not_up_is_exit_code_3(oxtrio, client, state: str):
    client.rows = [row("api"), row("worker", status=State(state))]

    assert oxtrio("status")[0] == 3


@pytest.mark.parametrize("state", ["running", "reloading", "drained", "exited"])
def test_what_is_up_or_has_ended_as_meant_is_exit_code_0(oxtrio, client, state: str):
    client.rows = [row("api", status=State(state))]

    assert oxtrio("status")[0] == 0


def test_what_nobody_wants_up_does_not_count():
    assert all_up([row("api", status=State.STOPPED, wanted=False)])
    assert all_up([row("api", status=State.STOPPED, enabled=False)])


def test_warnings_of_the_supervisor_go_to_stderr(oxtrio, client):
    client.warnings = ("cannot write api.log: disk full",)

    assert oxtrio("status")[2] == "warning: cannot write api.log: disk full\n"


def test_json_has_the_documented_fields(oxtrio, client):
    ended = LastExit(code=None, signal="SIGKILL", at="2025-01-01T00:00:00+01:00", reason="OOM")
    client.rows = [row("api:1", health="healthy", listen=("0.0.0.0:80",), exit=ended)]

    code, out, _ = oxtrio("status", "--json")

    [found] = json.loads(out)
    assert code == 0
    assert set(FIELDS.split()) <= found.keys()
    assert found["name"] == "api:1"
    assert found["instance"] == 1
    assert found["status"] == "running"
    assert found["listen"] == ["0.0.0.0:80"]
    assert found["exit"] == {
        "code": None,
        "signal": "SIGKILL",
        "at": "2025-01-01T00:00:00+01:00",
        "reason": "OOM",
    }


def test_without_a_supervisor_it_is_not_running(oxtrio, client):
    client.error = NotRunning("not running", "oxtrio start")

    assert oxtrio("status") == (3, "", "error: not running\nhint: oxtrio start\n")


def test_json_without_a_supervisor_is_an_empty_array(oxtrio, client):
    client.error = NotRunning("not running")

    assert oxtrio("status", "--json") == (3, "[]\n", "error: not running\n")


@pytest.mark.parametrize(("state", "code"), [(State.RUNNING, 0), (State.STARTING, 1)])
def test_readiness_is_an_exit_code_and_nothing_else(oxtrio, client, state: State, code: int):
    client.rows = [row("api", status=state)]

    assert oxtrio("status", "--ready") == (code, "", "")


def test_readiness_without_a_supervisor_is_exit_code_3(oxtrio, client):
    client.error = NotRunning("not running")

    assert oxtrio("status", "--ready")[0] == 3


def test_colour_can_be_forced(oxtrio, client, monkeypatch):
    client.rows = [row("api")]
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[32mrunning\x1b[0m" in oxtrio("status")[1]
