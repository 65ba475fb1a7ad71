"""What `status` shows, for people and for programs."""

import json

import pytest

from tests.e2e.kit import Ox

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def test_status_json_has_every_field_and_no_value_of_the_environment(ox: Ox):
    ox.up(SLEEPER + 'tags = ["x"]\nenv = { SECRET = "hunter2" }\n')

    ended = ox("status", "--json")
    [row] = [row for row in json.loads(ended.stdout) if row["name"] == "a"]

    fields = "name app instance pid status health cpu_percent memory_bytes restarts uptime_secs"
    fields += " started_at exit reason next_at listen command config tags version"
    assert set(fields.split()) <= set(row)
    assert row["command"] == "sleep 3600"
    assert row["config"] == str(ox.folder / "oxfile.toml")
    assert (row["tags"], row["exit"], row["instance"]) == (["x"], None, 0)
    assert row["memory_bytes"] > 0
    assert "hunter2" not in ended.stdout + ox.done("status") + ox.done("events", "--json")
    assert "hunter2" not in (ox.state / "supervisor.log").read_text()


def test_status_is_a_table_whose_first_columns_are_the_known_ones(ox: Ox):
    ox.up(SLEEPER.replace("start_secs", "instances = 2\nstart_secs"))

    head, *rows = ox.done("status").splitlines()

    columns = ["NAME", "PID", "STATUS", "CPU", "MEM", "RESTARTS", "UPTIME", "HEALTH"]
    assert head.split()[:8] == columns
    assert [row.split()[0] for row in rows] == ["a:0", "a:1", "canary"]
    assert [int(row.split()[1]) for row in rows] == [ox.pid(n) for n in ("a:0", "a:1", "canary")]
    assert "\x1b" not in head + "".join(rows)


def test_without_a_supervisor_status_is_3(ox: Ox):
    ox.write(SLEEPER)

    assert "not running" in ox.refused(3, "status")
    assert "not running" in ox.refused(3, "restart")
    assert "not running" in ox.refused(3, "why", "a")
    assert json.loads(ox("status", "--json").stdout) == []
    assert ox("status", "--ready").returncode == 3
