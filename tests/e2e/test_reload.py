"""A changed oxfile: what is put into service, and what is left alone."""

import pytest

from tests.e2e.kit import CANARY, Ox
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

A = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
B = A.replace("processes.a", "processes.b")


def test_reload_puts_a_change_into_service(ox: Ox):
    ox.up(A)
    old = ox.pid("a")
    ox.write(A.replace("3600", "3601") + CANARY)

    assert "a: running" in ox.done("reload", "a")

    assert not alive(old)
    assert ox.rows()["a"]["command"] == "sleep 3601"
    assert ox.rows()["a"]["restarts"] == 0


def test_reload_if_changed_touches_only_what_has_changed(ox: Ox):
    ox.up(A + B)
    a, b = ox.pid("a"), ox.pid("b")
    ox.write("# a comment\n" + CANARY + B + 'env = { X = "1" }\n' + A)

    ox.done("reload", "--if-changed")
    ox.done("reload", "--if-changed")

    assert ox.pid("a") == a
    assert ox.pid("b") != b
    assert (
        len([each for each in ox.events() if each["name"] == "b" and each["state"] == "running"])
        == 2
    )


BROKEN = [
    "",
    "[processes.a",
    "[processes.a]\ncomand = 'x'\n",
    "[processes.a]\ncommand = 'x'\nenv = { X = '${NOT_THERE_}' }\n",
]


def test_a_broken_oxfile_is_refused_and_nothing_is_touched(ox: Ox):
    ox.up(A)
    before = {name: row["pid"] for name, row in ox.rows().items()}

    for text in BROKEN:
        ox.write(text)
        ox.refused(2, "reload", "a")
    ox.refused(2, "restart", "a")
    ox.refused(2, "start")

    assert {name: row["pid"] for name, row in ox.rows().items()} == before
    assert "running" in ox.done("status")
    ox.done("stop", "a")


def test_an_oxfile_that_is_gone_is_refused_and_stop_still_works(ox: Ox):
    ox.up(A)
    old = ox.pid("a")
    path = ox.folder / "oxfile.toml"
    path.rename(ox.folder / "away.toml")
    there = ("-c", str(path))

    ox.refused(2, *there, "reload")

    assert ox.pid("a") == old
    assert "running" in ox.done(*there, "status")
    ox.done(*there, "stop")
    assert ox.ours() == []


def test_start_names_what_has_changed_or_vanished_and_starts_what_is_new(ox: Ox):
    ox.up(A + B)
    old = {name: row["pid"] for name, row in ox.rows().items()}
    new = '[processes.new]\ncommand = "sleep 3600"\nstart_secs = 0\n'
    ox.write(A.replace("3600", "3601") + new + CANARY)

    ended = ox("start")

    said = ended.stdout + ended.stderr
    assert ended.returncode == 0
    assert "oxtrio reload a" in said
    assert "b" in [word.strip(":,'") for word in said.split()], "it is not in the oxfile any more"
    rows = ox.rows()
    assert rows["new"]["status"] == "running"
    assert {name: rows[name]["pid"] for name in ("a", "b", "canary")} == old
    ox.done("stop", "b")
    assert not alive(old["b"])


def test_a_new_command_is_tried_at_once_though_the_old_one_waits(ox: Ox):
    ox.up("[processes.a]\ncommand = 'exit 1'\nrestart_delay_ms = 3600000\n", "canary")
    ox.refused(1, "start", "a")
    ox.write(A + CANARY)

    ox.done("reload", "a")

    assert ox.rows()["a"]["status"] == "running"


def test_a_reload_that_fails_says_why_with_the_last_lines(ox: Ox):
    ox.up(A)
    ox.write(
        "[processes.a]\ncommand = 'echo broken release; exit 3'\nrestart_delay_ms = 3600000\n"
        + CANARY
    )

    said = ox.refused(1, "reload", "a")

    assert "broken release" in said


def test_more_and_fewer_instances(ox: Ox):
    ox.up(A)
    ox.write(A + "instances = 3\n" + CANARY)
    ox.done("reload", "a")
    assert {f"a:{number}" for number in range(3)} <= set(ox.rows())
    third = ox.pid("a:2")

    ox.write(A + "instances = 2\n" + CANARY)
    ox.done("reload", "a")

    assert set(ox.rows()) == {"a:0", "a:1", "canary"}
    assert not alive(third)


def test_reloads_at_once_end_with_one_instance(ox: Ox):
    ox.up(A)
    ox.write(A.replace("3600", "3601") + CANARY)

    reloads = [ox.foreground("reload", "a") for _ in range(5)]

    assert {each.ends() for each in reloads} <= {0, 1}
    assert any(each.process.returncode == 0 for each in reloads)
    copies = [each.pid for each in ox.ours() if each.cmdline() == ["sleep", "3601"]]
    assert copies == [ox.pid("a")]
    assert not [
        each
        for each in ox.ours()
        if each.cmdline() == ["sleep", "3600"] and each.pid != ox.pid("canary")
    ]


def test_instances_are_reloaded_one_after_the_other(ox: Ox):
    ox.up(A + "instances = 2\n")
    mark = len(ox.events())

    ox.done("reload", "a")

    told = [
        (e["name"], e["state"]) for e in ox.events()[mark:] if e["state"] in ("stopped", "running")
    ]
    assert told == [
        (name, state) for name in ("a:0", "a:1") for state in ("stopped", "running")
    ] or [name for name, state in told if state == "running"] == ["a:0", "a:1"]
