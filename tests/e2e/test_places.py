"""Which oxfile a command means, and where the things of a project live."""

import os
import re
import stat
from pathlib import Path

import pytest

from tests.e2e.kit import NOBODY, Ox, needs_root
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_oxfile_is_looked_for_in_the_order_that_is_promised(ox: Ox):
    places = {
        ".config/oxmgr/oxfile.toml": "oxmgr",
        "xdg/oxtrio/oxfile.toml": "xdg",
        "project/oxfile.toml": "above",
        "project/inner/oxfile.toml": "nearest",
        "elsewhere/variable.toml": "variable",
        "elsewhere/option.toml": "option",
    }
    for place, name in places.items():
        ox.write(f'[processes.{name}]\ncommand = "true"\n', place)
    (ox.folder / "project/inner/deep").mkdir()
    (ox.folder / "empty").mkdir()

    def found(cwd: str, *words: str, **env: str) -> str:
        said = ox.done(*words, cwd=ox.folder / cwd, **env)
        return said.split("defined: ")[1].splitlines()[0]

    xdg = {"XDG_CONFIG_HOME": str(ox.folder / "xdg")}
    variable = {"OXTRIO_CONFIG": "../../elsewhere/variable.toml"}
    option = ("-c", "../../elsewhere/option.toml")
    assert found("empty", "validate") == "oxmgr"
    assert found("empty", "validate", **xdg) == "xdg"
    assert found("project", "validate", **xdg) == "above"
    assert found("project/inner/deep", "validate", **xdg) == "nearest"
    assert found("project/inner", "validate", **xdg, **variable) == "variable"
    assert found("project/inner", *option, "validate", **variable) == "option"
    assert found("project/inner", "validate", *option, **variable) == "option"


def test_a_link_to_the_current_release_stays_one_project(ox: Ox):
    for release in ("one", "two"):
        ox.write(
            '[processes.a]\ncommand = "pwd -P > ../where; exec sleep 3600"\nstart_secs = 0\n',
            f"{release}/oxfile.toml",
        )
    current = ox.folder / "current"
    current.symlink_to("one")
    seen = {"cwd": current, "PWD": str(current)}
    ox.done("start", **seen)
    old = ox.pid("a")

    current.unlink()
    current.symlink_to("two")

    assert ox.done("status", "--json", **seen).count('"pid"') == 1
    ox.done("reload", **seen)
    assert ox.content("where", lambda text: "two" in text) == f"{ox.folder}/two\n"
    assert not alive(old)
    assert re.fullmatch("current-[0-9a-f]{8}", ox.runtime.name)


def test_a_project_with_a_name_is_found_from_anywhere(ox: Ox):
    ox.write('[supervisor]\nname = "shop"\n' + SLEEPER, "project/oxfile.toml")
    nowhere = ox.folder / "nowhere"
    nowhere.mkdir()
    ox.done("start", cwd=ox.folder / "project")

    assert "running" in ox.done("-p", "shop", "status", cwd=nowhere)
    assert "running" in ox.done("status", "--project", "shop", cwd=nowhere)

    assert re.fullmatch("shop-[0-9a-f]{8}", ox.runtime.name)
    assert "shop" in ox.refused(2, "status", cwd=nowhere)
    ox.refused(3, "-p", "other", "status", cwd=nowhere)


def test_several_oxfiles_are_one_project_in_which_a_name_occurs_once(ox: Ox):
    ox.write(SLEEPER, "a.toml")
    ox.write(SLEEPER.replace("processes.a", "processes.b"), "b.toml")
    both = ("-c", "a.toml", "-c", "b.toml")

    ox.done(*both, "start")

    assert set(ox.rows()) == {"a", "b"}
    assert "2 processes defined" in ox.done("validate", *both)
    twice = ox.refused(2, "-c", "a.toml", "validate", "-c", str(ox.write(SLEEPER, "again.toml")))
    assert "again.toml:1" in twice
    assert "running" in ox.done("-c", "a.toml", "status", "a"), "the first file is the identity"


def test_folders_belong_to_their_user_alone_whatever_the_umask(ox: Ox):
    ox.write(SLEEPER)
    (ox.folder / "h").mkdir()
    os.chmod(ox.folder / "h", 0o755)

    ox.done("start", prefix=("sh", "-c", 'umask 0; exec "$0" "$@"'))

    assert re.fullmatch(f"{ox.folder.name}-[0-9a-f]{{8}}", ox.runtime.name)
    assert ox.state.name == ox.runtime.name
    assert (mode(ox.runtime), mode(ox.state)) == (0o700, 0o700)
    assert mode(ox.runtime / "control.sock") == 0o600
    assert (ox.runtime / "lock").exists()
    assert (ox.runtime / "runs").is_dir()
    assert (ox.state / "logs" / "a.log").exists()


def test_state_and_runtime_folders_can_be_placed_one_by_one(ox: Ox):
    ox.write(SLEEPER)
    places = {"OXTRIO_STATE_DIR": f"{ox.folder}/s", "OXTRIO_RUNTIME_DIR": f"{ox.folder}/r"}

    ox.done("start", **places)

    assert len(list((ox.folder / "s").glob("*/events.ndjson"))) == 1
    assert len(list((ox.folder / "r").glob("*/control.sock"))) == 1
    assert not ox.home.exists()
    ox.done("stop", **places)


def test_a_path_too_long_for_a_socket_is_no_obstacle(ox: Ox):
    ox.write(SLEEPER)
    ox.environ["OXTRIO_HOME"] = f"{ox.folder}/{'long-' * 20}/{'longer-' * 20}"

    ox.done("start")

    assert "running" in ox.done("status")
    ox.done("restart", "a")
    ox.done("stop")
    ox.refused(3, "status")


def test_projects_side_by_side_do_not_touch_each_other(ox: Ox):
    ox.write(SLEEPER, "one/oxfile.toml")
    ox.write(SLEEPER, "two/oxfile.toml")
    one, two = ox.folder / "one", ox.folder / "two"
    ox.done("start", cwd=one)
    before = ox.done("status", "--json", cwd=one)
    ox.done("start", cwd=two)
    both = ox.done("ls")

    ox.done("stop", cwd=two)

    assert f"{one}/oxfile.toml" in both
    assert f"{two}/oxfile.toml" in both
    pid = re.findall(r'"pid": (\d+)', before)
    assert re.findall(r'"pid": (\d+)', ox.done("status", "--json", cwd=one)) == pid
    assert f"{two}/oxfile.toml" not in ox.done("ls")
    ox.refused(3, "status", cwd=two)


@needs_root
def test_a_user_without_rights_has_everything_at_home_whatever_the_environment(ox: Ox):
    del ox.environ["OXTRIO_HOME"]
    ox.write(SLEEPER)
    os.chown(ox.folder, 65534, 65534)

    ox.done("start", prefix=NOBODY, XDG_RUNTIME_DIR="/run/user/65534", TERM="xterm")

    [state] = (ox.folder / ".local/state/oxtrio").glob("*")
    [runtime] = state.glob("run-*")
    assert (mode(state), mode(runtime), mode(runtime / "control.sock")) == (0o700, 0o700, 0o600)
    assert re.fullmatch("run-[0-9a-f]{8}", runtime.name)
    assert " root " not in ox.done("status", prefix=NOBODY)
    assert {each.uids().real for each in ox.ours()} == {65534}
    ox.done("stop", prefix=NOBODY)
    assert ox.ours() == []


@needs_root
def test_where_no_folder_is_writable_start_is_refused_and_run_keeps_all_in_memory(ox: Ox):
    ox.write(SLEEPER)
    ox.folder.chmod(0o755)
    ox.environ |= {"HOME": "/nonexistent"}
    del ox.environ["OXTRIO_HOME"]

    assert "/nonexistent/.local/state/oxtrio" in ox.refused(1, "start", prefix=NOBODY)

    running = ox.foreground("run", prefix=NOBODY)
    ox.eventually(lambda: "running" in ox("status", prefix=NOBODY).stdout, "the app to run")
    ox.done("stop", prefix=NOBODY)
    assert running.ends() == 0


@needs_root
@pytest.mark.parametrize("what", ["oxfile.toml", "."])
def test_root_refuses_what_anybody_may_write(ox: Ox, what: str):
    ox.write(SLEEPER)
    (ox.folder / what).chmod(0o777)

    said = ox.refused(5, "start")

    assert "chmod" in said
    assert ox.ours() == []
    ox.folder.chmod(0o700)
