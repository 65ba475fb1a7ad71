"""Which project a command is about."""

import os
from pathlib import Path

import pytest

from oxtrio.errors import ConfigError, NotRunning, UsageError
from oxtrio.project.locate import Project, ad_hoc, current_folder, locate, project_id

APP = "[processes.web]\ncommand = 'x'\n"


def oxfile(folder: Path, text: str = APP) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "oxfile.toml"
    path.write_text(text)
    return str(path)


class TestOrder:
    def test_the_option_comes_first(self, home, environ):
        oxfile(home / "shop")
        other = oxfile(home / "other")
        environ["OXTRIO_CONFIG"] = str(home / "shop" / "oxfile.toml")

        assert locate(["../other/oxfile.toml"], None, environ).files == (other,)

    def test_then_the_variable(self, home, environ):
        oxfile(home / "shop")
        environ["OXTRIO_CONFIG"] = oxfile(home / "other")

        assert locate([], None, environ).files == (str(home / "other" / "oxfile.toml"),)

    def test_then_the_current_folder(self, home, environ):
        oxfile(home)
        mine = oxfile(home / "shop")

        assert locate([], None, environ).files == (mine,)

    def test_then_the_nearest_folder_above(self, home, environ, monkeypatch):
        oxfile(home)
        mine = oxfile(home / "shop")
        (home / "shop" / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(home / "shop" / "a" / "b")

        assert locate([], None, environ).files == (mine,)

    def test_then_the_users_own(self, home, environ):
        for folder, variable in (
            (home / ".config" / "oxmgr", None),
            (home / ".config" / "oxtrio", None),
            (home / "xdg" / "oxtrio", "XDG_CONFIG_HOME"),
        ):
            mine = oxfile(folder)
            if variable:
                environ[variable] = str(home / "xdg")

            assert locate([], None, environ).files == (mine,)

    def test_a_link_that_leads_nowhere_is_not_passed_over(self, home, environ):
        oxfile(home)
        (home / "shop" / "oxfile.toml").symlink_to("gone")

        assert locate([], None, environ).files == (str(home / "shop" / "oxfile.toml"),)

    def test_a_home_may_be_written_as_a_tilde(self, home, environ):
        assert locate(["~/x.toml"], None, environ).files == (str(home / "x.toml"),)


class TestIdentity:
    def test_it_is_the_path(self, home, environ):
        mine = oxfile(home / "shop")

        project = locate([], None, environ)

        assert project == Project(
            files=(mine,), identity=mine, id=project_id("shop", mine), name=None
        )
        assert project.id.startswith("shop-")

    def test_it_is_the_first_of_several_files(self, home, environ):
        one, two = oxfile(home / "one"), oxfile(home / "two")

        project = locate([one, two], None, environ)

        assert project.files == (one, two)
        assert project.identity == one

    @pytest.mark.parametrize("path", ["oxfile.toml", "./oxfile.toml", "../shop/oxfile.toml"])
    def test_the_same_file_is_the_same_project_however_it_is_written(self, home, environ, path):
        assert locate([path], None, environ) == locate([oxfile(home / "shop")], None, environ)

    def test_links_are_kept(self, home, environ, monkeypatch):
        oxfile(home / "releases" / "1")
        current = home / "current"
        current.symlink_to("releases/1")
        monkeypatch.chdir(current)
        environ["PWD"] = str(current)

        before = locate([], None, environ)
        current.unlink()
        oxfile(home / "releases" / "2")
        current.symlink_to("releases/2")
        monkeypatch.chdir(current)

        assert before.identity == str(current / "oxfile.toml")
        assert locate([], None, environ) == before

    def test_two_dots_behind_a_link_lead_where_the_system_goes(self, home, environ):
        real = oxfile(home / "real")
        (home / "real" / "inner").mkdir()
        (home / "shop" / "link").symlink_to(home / "real" / "inner")

        assert locate(["link/../oxfile.toml"], None, environ).files == (real,)

    def test_a_pwd_that_is_elsewhere_is_not_believed(self, home, environ):
        environ["PWD"] = str(home)

        assert current_folder(environ) == os.getcwd()

    @pytest.mark.parametrize("pwd", ["", "shop", "/no/such/folder"])
    def test_nor_is_one_that_is_no_folder(self, home, environ, pwd):
        environ["PWD"] = pwd

        assert current_folder(environ) == str(home / "shop")

    def test_a_current_folder_that_is_gone_is_told(self, home, environ, monkeypatch):
        (home / "gone").mkdir()
        monkeypatch.chdir(home / "gone")
        (home / "gone").rmdir()

        with pytest.raises(ConfigError, match="does not exist any more"):
            locate([], None, environ)

    def test_a_name_in_the_oxfile_takes_the_place_of_the_path(self, home, environ):
        mine = oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")

        project = locate([], None, environ)

        assert project == Project(
            files=(mine,), identity="store", id=project_id("store", "store"), name="store"
        )

    def test_it_may_stand_in_any_of_several_files(self, home, environ):
        one, two = oxfile(home / "one"), oxfile(home / "two", "[supervisor]\nname = 'store'")

        assert locate([one, two], None, environ).identity == "store"

    def test_the_option_beats_it(self, home, environ):
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")

        assert locate([], "green", environ).identity == "green"

    @pytest.mark.parametrize(
        "text", ["[", "supervisor = 5", "[supervisor]\nname = 5", "[supervisor]\nname = 'a/b'"]
    )
    def test_a_file_that_says_no_name_has_its_path(self, home, environ, text):
        mine = oxfile(home / "shop", text)

        assert locate([], None, environ).identity == mine

    def test_so_has_one_that_is_not_there(self, home, environ):
        assert locate(["gone.toml"], None, environ).identity == str(home / "shop" / "gone.toml")

    @pytest.mark.parametrize("name", ["", "a/b", "..", "a b"])
    def test_a_name_that_cannot_be_one_is_wrong_usage(self, home, environ, name):
        with pytest.raises(UsageError):
            locate([], name, environ)


class TestId:
    def test_it_says_where_the_project_is(self):
        assert project_id("/srv/shop", "x").startswith("shop-")
        assert len(project_id("/srv/shop", "x")) == len("shop-") + 8

    def test_it_is_different_for_every_identity(self):
        assert project_id("/a/shop", "/a/shop/x") != project_id("/b/shop", "/b/shop/x")

    @pytest.mark.parametrize(
        ("name", "start"),
        [
            ("/", "root-"),
            ("a b/c d", "c-d-"),
            ("é", "root-"),
            ("..", "root-"),
            ("x" * 99, "x" * 40),
        ],
    )
    def test_it_is_always_the_name_of_a_folder(self, name, start):
        assert project_id(name, "identity").startswith(start)
        assert "/" not in project_id(name, "identity")


class TestRunning:
    def test_a_running_project_is_found_by_name_from_anywhere(
        self, home, environ, serve, monkeypatch
    ):
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")
        project = locate([], None, environ)
        serve(project)
        monkeypatch.chdir("/")

        assert locate([], "store", environ) == project
        assert locate([], project.id, environ) == project

    def test_one_that_does_not_run_is_not(self, home, environ):
        with pytest.raises(NotRunning, match="no project named 'store' is running") as caught:
            locate([], "store", environ)

        assert caught.value.exit_code == 3

    def test_with_an_oxfile_nearby_the_name_is_for_that(self, home, environ):
        mine = oxfile(home / "shop")

        assert locate([], "green", environ) == Project(
            files=(mine,), identity="green", id=project_id("green", "green"), name="green"
        )

    def test_a_project_is_found_while_its_file_is_broken(self, home, environ, serve):
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")
        project = locate([], None, environ)
        serve(project)
        oxfile(home / "shop", "[broken")

        assert locate([], None, environ) == project

    def test_a_name_that_is_added_while_it_runs_waits_for_the_next_start(
        self, home, environ, serve
    ):
        oxfile(home / "shop")
        project = locate([], None, environ)
        serve(project)
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")

        assert locate([], None, environ) == project


class TestNothingFound:
    def test_the_folder_is_named(self, home, environ):
        with pytest.raises(ConfigError) as caught:
            locate([], None, environ)

        assert caught.value.message == f"no oxfile.toml in {home}/shop or above it"
        assert "-c FILE" in caught.value.hint

    def test_the_projects_that_run_are_named(self, home, environ, serve, monkeypatch):
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")
        serve(locate([], None, environ))
        oxfile(home / "blog")
        blog = locate([str(home / "blog" / "oxfile.toml")], None, environ)
        serve(blog)
        monkeypatch.chdir("/")

        with pytest.raises(ConfigError) as caught:
            locate([], None, environ)

        assert "-p store" in caught.value.hint
        assert f"-p {blog.id}" in caught.value.hint

    def test_a_procfile_is_not_supported_yet(self, home, environ):
        (home / "shop" / "Procfile").write_text("web: x")

        with pytest.raises(ConfigError, match="a Procfile is not supported yet"):
            locate([], None, environ, for_run=True)
        with pytest.raises(ConfigError, match=r"no oxfile\.toml"):
            locate([], None, environ)


class TestACommandWithoutAnOxfile:
    def test_it_is_a_project_of_its_own(self, home, environ):
        # In every container its pid would be the same.
        one, two = (ad_hoc(("/usr/bin/sleep", "5"), None, environ) for _ in range(2))

        assert one.files == ()
        assert one.id.startswith("sleep-")
        assert one.id != two.id

    def test_it_may_have_a_name(self, home, environ, serve):
        project = ad_hoc(("sleep", "5"), "store", environ)
        serve(project)

        assert locate([], "store", environ) == project
        with pytest.raises(UsageError, match="cannot be the name"):
            ad_hoc(("sleep", "5"), "my store", environ)

    def test_its_folders_are_not_those_of_a_project_with_that_name(self, home, environ):
        oxfile(home / "shop", f"{APP}[supervisor]\nname = 'store'\n")

        # They are removed when the command has ended.
        assert ad_hoc(("sleep", "5"), "store", environ).id != locate([], None, environ).id
