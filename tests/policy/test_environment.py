"""Which environment a run gets."""

from dataclasses import replace

import pytest

from oxtrio.model.spec import AppSpec
from oxtrio.policy.environment import DEFAULT_PATH, Given, compose

APP = AppSpec(name="api", command="x", working_dir="/srv")
GIVEN = Given(
    name="api",
    instance=2,
    run_id="run1",
    project="shop",
    config="/srv/oxfile.toml",
    socket="/run/x/control.sock",
    working_dir="/srv",
)


def test_env_beats_env_file_beats_what_is_inherited():
    spec = replace(APP, env=(("A", "own"),))
    env = compose(
        spec, {"A": "outer", "B": "outer", "C": "outer"}, {"A": "file", "B": "file"}, GIVEN
    )

    assert (env["A"], env["B"], env["C"]) == ("own", "file", "outer")


def test_a_run_is_told_who_it_is():
    env = compose(APP, {}, {}, GIVEN)

    assert env["OXTRIO_NAME"] == "api"
    assert env["OXTRIO_INSTANCE_ID"] == env["OXMGR_INSTANCE_ID"] == "2"
    assert env["OXTRIO_RUN_ID"] == "run1"
    assert env["OXTRIO_PROJECT"] == "shop"
    assert env["OXTRIO_CONFIG"] == "/srv/oxfile.toml"
    assert env["OXTRIO_SOCKET"] == "/run/x/control.sock"
    assert env["PWD"] == "/srv"


def test_what_oxtrio_gives_is_never_overruled():
    env = compose(replace(APP, env=(("OXTRIO_RUN_ID", "forged"),)), {}, {}, GIVEN)

    assert env["OXTRIO_RUN_ID"] == "run1"


def test_output_is_unbuffered_unless_somebody_says_otherwise():
    assert compose(APP, {}, {}, GIVEN)["PYTHONUNBUFFERED"] == "1"
    assert compose(APP, {"PYTHONUNBUFFERED": ""}, {}, GIVEN)["PYTHONUNBUFFERED"] == ""
    spec = replace(APP, env=(("PYTHONUNBUFFERED", "0"),))
    assert compose(spec, {}, {}, GIVEN)["PYTHONUNBUFFERED"] == "0"


def test_what_is_meant_for_the_supervisor_itself_is_not_inherited():
    outer = {"NOTIFY_SOCKET": "@x", "LISTEN_FDS": "1", "LISTEN_PID": "7", "WATCHDOG_USEC": "1"}

    assert not set(outer) & set(compose(APP, outer, {}, GIVEN))


def test_the_instance_number_serves_in_values():
    spec = replace(APP, env=(("PORT", "800${instance}"),))

    assert compose(spec, {}, {}, GIVEN)["PORT"] == "8002"


def test_a_virtual_environment_comes_first_in_the_path():
    given = replace(GIVEN, venv="/srv/.venv")
    env = compose(APP, {"PATH": "/bin", "PYTHONHOME": "/opt"}, {}, given)

    assert env["PATH"] == "/srv/.venv/bin:/bin"
    assert env["VIRTUAL_ENV"] == "/srv/.venv"
    assert "PYTHONHOME" not in env


def test_without_inheritance_only_what_every_program_needs_is_kept():
    outer = {"PATH": "/bin", "HOME": "/root", "SECRET": "x", "TERM": "xterm"}
    env = compose(replace(APP, inherit_env=False), outer, {}, GIVEN)

    assert env["PATH"] == "/bin"
    assert env["HOME"] == "/root"
    assert env["TERM"] == "xterm"
    assert "SECRET" not in env


def test_only_the_named_variables_are_inherited():
    env = compose(replace(APP, inherit_env=("SECRET",)), {"SECRET": "x", "B": "y"}, {}, GIVEN)

    assert env["SECRET"] == "x"
    assert "B" not in env


def test_there_is_always_a_path():
    assert compose(replace(APP, inherit_env=("X",)), {}, {}, GIVEN)["PATH"] == DEFAULT_PATH


def test_a_changed_user_has_the_home_and_name_of_that_user():
    given = replace(GIVEN, user=("www", "/var/www", "/bin/sh"))
    env = compose(APP, {"HOME": "/root", "USER": "root", "LOGNAME": "root"}, {}, given)

    assert (env["USER"], env["LOGNAME"], env["HOME"]) == ("www", "www", "/var/www")


def test_a_home_named_in_the_oxfile_beats_that_of_the_user():
    given = replace(GIVEN, user=("www", "/var/www", "/bin/sh"))

    assert compose(replace(APP, env=(("HOME", "/srv"),)), {}, {}, given)["HOME"] == "/srv"


@pytest.mark.parametrize("outer", ["aaa", "aaa:bbb"])
def test_a_nested_supervisor_appends_to_the_marker(outer: str):
    env = compose(APP, {"OXTRIO_RUN_ID": outer}, {}, GIVEN)

    assert env["OXTRIO_RUN_ID"] == f"{outer}:run1"
