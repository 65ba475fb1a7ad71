"""From text to specs, and every problem on the way."""

from dataclasses import replace

import pytest

from oxtrio.config.load import load
from oxtrio.errors import ConfigError
from oxtrio.model.facts import Source
from oxtrio.model.spec import AppSpec, OnCrash
from tests.config.reading import (
    FACTS,
    UNPRIVILEGED,
    app_of,
    app_problems,
    config_of,
    error_of,
    problems_of,
)


def test_an_app_needs_nothing_but_a_command():
    assert config_of('[processes.app]\ncommand = "serve"').apps == (
        AppSpec(name="app", command="serve", working_dir="/srv/shop"),
    )


def test_apps_keep_the_order_of_the_file():
    text = "".join(f'[processes.{name}]\ncommand = "x"\n' for name in ("web", "api", "db"))

    assert [app.name for app in config_of(text).apps] == ["web", "api", "db"]


def test_the_order_of_keys_makes_no_difference():
    one = app_of('nice = 1\nenv = { B = "1", A = "2" }\n[processes.app.rlimits]\ncore=0\nas=1')
    two = app_of('env = { A = "2", B = "1" }\nnice = 1\n[processes.app.rlimits]\nas=1\ncore=0')

    assert one == two


def test_every_problem_of_the_file_is_told_with_its_line():
    assert problems_of(
        "[processes.api]\n"
        'comand = "x"\n'
        "instances = 0\n"
        "\n"
        "[processes.web]\n"
        'command = "x"\n'
        'stop_signal = "SIGTREM"\n'
        "[processes.web.health_check]\n"
        'interval_secs = "5s"\n'
    ) == [
        "oxfile.toml:1: processes.api: command is missing",
        "oxfile.toml:2: processes.api: unknown key comand (did you mean command?)",
        "oxfile.toml:3: processes.api: instances must be an integer from 1 to 10000, or "
        '"max", is 0',
        "oxfile.toml:7: processes.web: stop_signal must be the name of a signal, such as "
        '"SIGTERM", is "SIGTREM" (did you mean SIGTERM?)',
        "oxfile.toml:8: processes.web: health_check needs an endpoint, a command, notify = true "
        "or a log_line",
        "oxfile.toml:9: processes.web.health_check: interval_secs must be a number: seconds, above "
        '0, up to a year, is "5s"',
    ]


def test_the_message_counts_the_problems():
    assert error_of("a = 1").message == "oxfile.toml is not valid: 1 problem"
    assert error_of("a = 1\nb = 2").message == "oxfile.toml is not valid: 2 problems"
    assert error_of("a = 1", "b = 2").message == "2 files are not valid: 2 problems"
    assert error_of("[processes.a]\ncommand='x'", "b = 2").message == (
        "more1.toml is not valid: 1 problem"
    )


def test_the_exit_code_is_that_of_wrong_config():
    assert error_of("").exit_code == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "[processes]\n", "[env]\nA = 'x'\n"])
def test_no_apps_at_all_is_an_error(text):
    assert problems_of(text) == [
        'oxfile.toml: defines no apps: each is a table [processes.<name>] with a "command"'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("processes = 5", "oxfile.toml:1: processes must be a table, is 5"),
        ("[[processes]]\nname = 'x'", "oxfile.toml:1: processes must be a table, is an array"),
        ("[processes]\napi = 'run'", 'oxfile.toml:2: processes: api must be a table, is "run"'),
        ("[process.api]\ncommand = 'x'", "oxfile.toml:1: unknown key process (did you mean "),
        ("[env]\n[logging]\nx = 1", "oxfile.toml:3: logging: unknown key x"),
        ("env = 5", "oxfile.toml:1: env must be a table of names and values, is 5"),
        ('"a b\\nc" = 1', 'oxfile.toml:1: unknown key "a b\\nc"'),
    ],
)
def test_what_is_no_table_of_apps_is_told(text, problem):
    assert any(found.startswith(problem) for found in problems_of(text))


def test_an_app_whose_name_has_a_bare_dot_is_explained():
    assert problems_of('[processes.api]\ncommand = "x"\n[processes.api.v2]\ncommand = "x"') == [
        "oxfile.toml:3: processes.api: unknown key v2 "
        '(a name with a dot needs quotes: [processes."api.v2"])'
    ]


@pytest.mark.parametrize("name", ["a", "9lives", "api.v2", "x_y-z", "a" * 64])
def test_names_of_letters_digits_and_a_few_signs_are_taken(name):
    assert config_of(f'[processes."{name}"]\ncommand = "x"').apps[0].name == name


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-rf", "../x", "a/b", "a b", "é", "a\\n", "a" * 65, "api:0"]
)
def test_other_names_are_refused(name):
    [problem] = problems_of(f'[processes."{name}"]\ncommand = "x"')

    assert "cannot be the name of an app" in problem


@pytest.mark.parametrize("name", ["all", "ALL"])
def test_the_name_that_means_every_app_is_reserved(name):
    [problem] = problems_of(f'[processes.{name}]\ncommand = "x"')

    assert f"an app cannot be called {name}" in problem


def test_names_that_differ_only_by_case_are_refused():
    assert problems_of("[processes.api]\ncommand='x'\n[processes.API]\ncommand='x'") == [
        "oxfile.toml:3: processes: API differs only by case from api in /srv/shop/oxfile.toml:1"
    ]


def test_a_problem_of_a_key_in_an_inline_table_has_the_line_of_the_table():
    assert app_problems("\nlimits = { memory_mb = 0 }")[0].startswith("oxfile.toml:4: ")


def test_a_problem_is_told_once_however_many_apps_it_concerns():
    apps = "".join(f"[processes.a{number}]\ncommand='x'\n" for number in range(5))

    assert len(problems_of(f"{apps}[logging]\nmax_files = 0")) == 1


def test_suggestions_end_where_a_file_is_full_of_mistakes():
    problems = problems_of("[processes.a]\n" + "".join(f"comand{n} = 1\n" for n in range(100)))

    assert len(problems) == 101
    assert "did you mean" in problems[1]
    assert "did you mean" not in problems[-1]


def test_thousands_of_apps_are_read():
    apps = "".join(
        f"[processes.a{n}]\ncommand='x'\n[processes.a{n}.env]\nA='1'\n" for n in range(2000)
    )

    assert len(config_of(apps).apps) == 2000


class TestSeveralFiles:
    def test_they_are_one_project(self):
        config = config_of(
            "[processes.web]\ncommand='x'\ndepends_on=['db']", "[processes.db]\ncommand='y'"
        )

        assert [app.name for app in config.apps] == ["web", "db"]
        assert config.files == ("/srv/shop/oxfile.toml", "/srv/shop/more1.toml")

    def test_a_name_may_occur_only_once(self):
        assert problems_of("[processes.web]\ncommand='x'", "\n[processes.web]\ncommand='x'") == [
            "more1.toml:2: processes: web is in /srv/shop/oxfile.toml:1 too"
        ]

    def test_problems_of_all_are_told_in_order(self):
        assert problems_of("a = 1\n[x", "\nb = 1\n[processes.web]\ncommand=''")[-2:] == [
            "more1.toml:2: unknown key b",
            "more1.toml:4: processes.web: command must be a string, or an array of strings, that "
            'is not empty, is ""',
        ]

    def test_a_file_that_is_no_toml_makes_no_dependency_unknown(self):
        problems = problems_of("[processes.web]\ncommand='x'\ndepends_on=['db']", "[")

        assert len(problems) == 1
        assert "is no TOML" in problems[0]

    def test_what_holds_for_all_apps_may_stand_in_any_of_them(self):
        web, db = config_of(
            "[processes.web]\ncommand='x'\n[env]\nA='1'\n[supervisor]\nname='shop'",
            "[processes.db]\ncommand='x'\n[env]\nB='2'\n[logging]\nmax_files=9",
        ).apps

        assert web.env == db.env == (("A", "1"), ("B", "2"))
        assert web.logs.max_files == db.logs.max_files == 9

    @pytest.mark.parametrize(
        "table", ["[env]\nA = '1'", "[logging]\nmax_files = 1", "[supervisor]\nname = 'x'"]
    )
    def test_but_each_key_in_one_of_them(self, table):
        app = "[processes.web]\ncommand='x'"

        [problem] = problems_of(f"{app}\n{table}", table)

        assert problem.startswith("more1.toml:2: ")
        assert "is set in /srv/shop/oxfile.toml:4 too" in problem


class TestSupervisor:
    def test_it_is_read(self):
        config = config_of(
            "[processes.a]\ncommand='x'\n[supervisor]\nname = 'shop'\nstop_timeout_ms = 9000\n"
            "log_level = 'debug'\numask = '077'\non_crash = 'kill'"
        )

        assert config.supervisor.name == "shop"
        assert config.supervisor.stop_timeout == 9.0
        assert config.supervisor.log_level == "debug"
        assert config.supervisor.umask == 0o077
        assert config.supervisor.on_crash is OnCrash.KILL

    def test_without_it_everything_is_usual(self):
        supervisor = config_of("[processes.a]\ncommand='x'").supervisor

        assert (supervisor.name, supervisor.stop_timeout, supervisor.log_level) == (
            None,
            None,
            "info",
        )

    @pytest.mark.parametrize(
        "line", ["name = 'a b'", "stop_timeout_ms = -1", "log_level = 'loud'", "umask = 'x'", "x=1"]
    )
    def test_what_is_wrong_in_it_is_told(self, line):
        [problem] = problems_of(f"[processes.a]\ncommand='x'\n[supervisor]\n{line}")

        assert problem.startswith("oxfile.toml:4: supervisor: ")


class TestWarnings:
    def test_apps_that_would_run_as_root_are_named_once(self):
        text = "".join(f"[processes.{name}]\ncommand='x'\n" for name in ("a", "b"))

        assert config_of(f"{text}[processes.c]\ncommand='x'\nuser='ann'").warnings == (
            'a, b would run as root: set user = "..."',
        )

    def test_nobody_else_is_warned(self):
        assert config_of("[processes.a]\ncommand='x'", facts=UNPRIVILEGED).warnings == ()

    def test_a_dependency_that_is_disabled_is_named(self):
        text = (
            "[processes.a]\ncommand='x'\ndepends_on=['b']\n"
            "[processes.b]\ncommand='x'\ndisabled=true"
        )

        assert config_of(text, facts=UNPRIVILEGED).warnings == (
            "a depends on b, which is disabled",
        )


def test_max_is_one_instance_per_cpu_and_at_least_one():
    assert app_of('instances = "max"').instances == 3
    assert app_of('instances = "max"', facts=replace(FACTS, cpus=0)).instances == 1


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert problems_of("\ufeff[processes.a]\nx = 1\ncommand='x'") == [
        "oxfile.toml:2: processes.a: unknown key x"
    ]


def test_windows_line_ends_are_line_ends():
    assert problems_of("[processes.a]\r\ncommand='x'\r\nx = 1\r\n") == [
        "oxfile.toml:3: processes.a: unknown key x"
    ]


def test_a_source_may_stand_anywhere():
    config = load([Source("/oxfile.toml", "[processes.a]\ncommand='x'\nvenv='v'")], FACTS)

    assert config.apps[0].working_dir == "/"
    assert config.apps[0].venv == "/v"


def test_files_of_one_name_in_two_folders_are_two_files():
    sources = [Source("/a/oxfile.toml", "x = 1"), Source("/b/oxfile.toml", "x = 1")]

    with pytest.raises(ConfigError, match="2 files are not valid"):
        load(sources, FACTS)


def test_a_key_of_absurd_length_is_cut_and_compared_with_nothing():
    [problem, _] = problems_of(f"{'processes' * 100} = 1\nb = 1")

    assert len(problem) < 120
    assert "did you mean" not in problem
