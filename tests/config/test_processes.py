"""The keys of an app, one after the other."""

from signal import Signals

import pytest

from oxtrio.model.spec import Condition, LimitsSpec, OnExit, ReadySpec, RestartSpec
from tests.config.reading import UNPRIVILEGED, app_of, app_problems, config_of, problems_of


def command_problems(command: str) -> list[str]:
    return problems_of(f"[processes.app]\ncommand = {command}")


def test_a_command_is_a_string_or_the_words_to_execute():
    apps = config_of(
        "[processes.a]\ncommand = 'x $y | z'\n[processes.b]\ncommand = ['x', '$y', '']"
    ).apps

    assert [app.command for app in apps] == ["x $y | z", ("x", "$y", "")]


@pytest.mark.parametrize(
    "command", ["''", "' '", "[]", "['']", "5", "true", "['x', 5]", "{ a = 1 }", '"a\\u0000b"']
)
def test_what_cannot_be_executed_is_no_command(command):
    [problem] = command_problems(command)

    assert problem.startswith("oxfile.toml:2: processes.app: command must be a string")


@pytest.mark.parametrize("quote", ["'{}'", "['x', '{}']"])
def test_a_command_longer_than_the_kernel_takes_is_refused(quote):
    [problem] = command_problems(quote.format("x" * 200_000))

    assert "longer than the 128 KiB" in problem
    assert len(problem) < 300


def test_the_number_of_the_instance_stays_in_the_command():
    text = "[processes.app]\ncommand = 'serve ${instance} ${HOME} $1'"

    assert config_of(text).apps[0].command == "serve ${instance} ${HOME} $1"


@pytest.mark.parametrize(
    ("placeholder", "needs"),
    [
        ("${port}", "the key port, such as port = 8000"),
        ("${fd}", 'the key listen, such as listen = "127.0.0.1:8000"'),
        ("${fd:web}", 'the key listen, such as listen = "127.0.0.1:8000"'),
    ],
)
@pytest.mark.parametrize("command", ["'serve {0} {0}'", "['serve', '{0}', '{0}']"])
def test_what_nothing_replaces_is_refused(command, placeholder, needs):
    assert command_problems(command.format(placeholder)) == [
        f"oxfile.toml:2: processes.app: command contains {placeholder}, which needs {needs}"
    ]


@pytest.mark.parametrize("command", ["serve ${port} ${fd}${fd:web} ${fd:1}", "port ${PORT}"])
def test_what_will_be_replaced_stays_in_the_command(command):
    lines = "port = 80\nlisten = [{ address = ':81', name = 'web' }, ':82']"
    text = f"[processes.app]\n{lines}\ncommand = "

    assert config_of(f"{text}'{command}'").apps[0].command == command
    assert config_of(f"{text}['x', '{command}']").apps[0].command == ("x", command)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("wbe", " (did you mean web?)"), ("2", ""), ("", ""), ("-1", ""), ("WEB", " (did you mean")],
)
def test_a_descriptor_needs_a_name_or_a_place_of_the_list(name, hint):
    [problem] = problems_of(
        f"[processes.app]\ncommand = 'x ${{fd:{name}}}'\n"
        "listen = [{ address = ':81', name = 'web' }, ':82']"
    )

    what = f"command contains ${{fd:{name}}}, but listen has no address with the name {name}{hint}"
    assert problem.startswith(f"oxfile.toml:2: processes.app: {what}")


@pytest.mark.parametrize(
    ("lines", "spec"),
    [
        ("", RestartSpec()),
        ("restart_on_exit = true", RestartSpec(always=True)),
        ("restart_on_exit = false", RestartSpec(always=False)),
        ("restart_delay_ms = 0", RestartSpec(delay=0.0)),
        ("restart_delay_ms = 1500", RestartSpec(delay=1.5)),
        ("restart_delay_max_ms = 500", RestartSpec(delay_max=0.5)),
        ("restart_delay_ms = 90000", RestartSpec(delay=90.0, delay_max=90.0)),
        ("max_restarts = 0", RestartSpec(limit=0)),
        ("restart_window_secs = 300", RestartSpec(window=300.0)),
        ("exit_codes = [0, 3]", RestartSpec(success_codes=(0, 3))),
    ],
)
def test_how_it_restarts(lines, spec):
    assert app_of(lines).restart == spec


@pytest.mark.parametrize(
    ("lines", "spec"),
    [
        ("", ReadySpec(start=1.0)),
        ("restart_on_exit = true", ReadySpec(start=1.0)),
        ("restart_on_exit = false", ReadySpec(start=0.0)),
        ("restart_on_exit = false\nstart_secs = 3", ReadySpec(start=3.0)),
        ("start_secs = 0.25\nready_timeout_secs = 5", ReadySpec(start=0.25, timeout=5.0)),
    ],
)
def test_when_it_counts_as_up(lines, spec):
    assert app_of(lines).ready == spec


@pytest.mark.parametrize("name", ["SIGINT", "INT", "int", "sigint", " SigInt "])
def test_a_signal_has_many_spellings(name):
    assert app_of(f"stop_signal = '{name}'").stop.signal is Signals.SIGINT


def test_how_it_stops():
    stop = app_of("stop_signal_to = 'group'\nstop_timeout_ms = 0").stop

    assert (stop.to_group, stop.timeout) == (True, 0.0)


@pytest.mark.parametrize(
    "line",
    [
        "restart_on_exit = 1",
        "restart_on_exit = 'yes'",
        "restart_delay_ms = -1",
        "restart_delay_ms = 1.5",
        "restart_delay_ms = true",
        "restart_delay_max_ms = 1e400",
        "max_restarts = -1",
        "max_restarts = 'three'",
        "restart_window_secs = 1.5",
        "restart_window_secs = 99999999999",
        "exit_codes = 3",
        "exit_codes = [256]",
        "exit_codes = [-1]",
        "exit_codes = [true]",
        "start_secs = -0.1",
        "start_secs = nan",
        "start_secs = inf",
        "start_secs = true",
        "ready_timeout_secs = 0",
        "ready_timeout_secs = '60'",
        "ready_timeout_secs = 99999999999999999999999999999999999999999999",
        "stop_signal = 'SIGTREM'",
        "stop_signal = 15",
        "stop_signal_to = 'all'",
        "stop_timeout_ms = -5",
        "start_delay_ms = -5",
        "on_exit = 'reboot'",
        "instances = 0",
        "instances = true",
        "instances = 'many'",
        "instances = 10001",
        "inherit_env = 'no'",
        "inherit_env = ['A=B']",
        "inherit_env = [5]",
        "tags = ['a b']",
        "tags = 'web'",
        "tags = [[]]",
        "namespace = 'a b'",
        "description = 5",
        "enabled = 'false'",
        "disabled = 0",
        "working_dir = ''",
        "working_dir = 2026-01-01",
        "venv = []",
        "env_file = [5]",
        "env_file = ''",
        "health_check = 5",
        "limits = []",
        "logs = 'none'",
        "rlimits = 1024",
        "resource_limits = 1",
        "log_file = 5",
        "log_date_format = ''",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_line(line):
    [problem] = app_problems(line)

    assert problem.startswith(f"oxfile.toml:3: processes.app: {line.partition(' ')[0]} must be ")


def test_a_cap_below_the_delay_itself_is_refused():
    [problem] = app_problems("restart_delay_ms = 500\nrestart_delay_max_ms = 100")

    assert problem == (
        "oxfile.toml:4: processes.app: restart_delay_max_ms is below restart_delay_ms, which is 500"
    )


def test_the_smaller_keys():
    app = app_of(
        "start_delay_ms = 1500\ntags = ['web', 'x']\nnamespace = 'shop'\ndescription = 'the API'\n"
        "on_exit = 'shutdown'\ninherit_env = ['PATH']\nenabled = false"
    )

    assert app.start_delay == 1.5
    assert app.tags == ("web", "x")
    assert app.namespace == "shop"
    assert app.description == "the API"
    assert app.on_exit is OnExit.SHUTDOWN
    assert app.inherit_env == ("PATH",)
    assert not app.enabled


@pytest.mark.parametrize(
    ("lines", "enabled"),
    [("", True), ("disabled = true", False), ("disabled = false", True), ("enabled = true", True)],
)
def test_an_app_can_be_disabled_in_two_ways(lines, enabled):
    assert app_of(lines).enabled is enabled


def test_but_not_in_both():
    assert app_problems("enabled = true\ndisabled = true") == [
        "oxfile.toml:4: processes.app: disabled stands beside enabled: keep one of them"
    ]


def test_paths_start_at_the_folder_of_the_oxfile_and_keep_their_links():
    app = app_of(
        "working_dir = '../current/./app'\nvenv = '~/envs/x'\n"
        "env_file = ['.env', '/etc/${HOST}.env']"
    )

    assert app.working_dir == "/srv/shop/../current/app"
    assert app.venv == "/home/ann/envs/x"
    assert app.env_files == ("/srv/shop/.env", "/etc/db.example.env")


def test_one_env_file_needs_no_array():
    assert app_of("env_file = '.env'").env_files == ("/srv/shop/.env",)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("working_dir = '/srv/${MISSING}'", "${MISSING} is not set in the environment"),
        ("working_dir = '/srv/${instance}'", "${instance} does not serve here"),
        ("working_dir = '~bob/x'", 'must be a path, is "~bob/x" (only ~ and ~/… are expanded)'),
        ("venv = '${VENV}'", "${VENV} is not set"),
        ("env_file = ['${A}']", "${A} is not set"),
        ("log_file = '/x/${port}'", "${port} does not serve here"),
    ],
)
def test_a_path_that_cannot_be_expanded_is_told(line, what):
    [problem] = app_problems(line)

    assert what in problem


class TestDependencies:
    def test_they_are_a_list_or_a_table(self):
        config = config_of(
            "[processes.a]\ncommand='x'\ndepends_on = ['c', 'b']\n"
            "[processes.b]\ncommand='x'\ndepends_on = { c = 'exited' }\n"
            "[processes.c]\ncommand='x'\n[processes.c.depends_on]\n"
        )

        assert [app.depends_on for app in config.apps] == [
            (("b", None), ("c", None)),
            (("c", Condition.EXITED),),
            (),
        ]

    @pytest.mark.parametrize(
        ("value", "what"),
        [
            (
                "'db'",
                'must be an array of app names, or a table of app names and conditions, is "db"',
            ),
            ("[5]", "must be an array of app names"),
            ("['db', 'db']", "(db is in it twice)"),
            ("{ db = 'heathy' }", '"db" must be one of started, ready, healthy, completed, exited'),
            ("{ db = 'heathy' }", "(did you mean healthy?)"),
            ("{ db = true }", "is true"),
        ],
    )
    def test_anything_else_is_refused(self, value, what):
        [problem] = app_problems(f"depends_on = {value}\n[processes.db]\ncommand='x'")

        assert what in problem


class TestLimits:
    def test_they_are_read(self):
        app = app_of(
            "[processes.app.limits]\nmemory_mb = 1.5\ncpu_percent = 90\ncpu_window_secs = 5"
        )

        assert app.limits == LimitsSpec(memory=1_572_864, cpu_percent=90.0, cpu_window=5.0)

    def test_the_older_names_mean_the_same(self):
        app = app_of("[processes.app.resource_limits]\nmax_memory_mb = 2\nmax_open_files = 512")

        assert app.limits == LimitsSpec(memory=2 * 1024 * 1024)
        assert app.identity.rlimits == (("nofile", 512, 512),)

    def test_but_not_beside_the_newer_ones(self):
        problems = app_problems(
            "[processes.app.resource_limits]\nmax_memory_mb = 2\nmax_open_files = 512\n"
            "[processes.app.limits]\nmemory_mb = 3\n[processes.app.rlimits]\nnofile = 5"
        )

        assert [problem.partition(": ")[2] for problem in problems] == [
            "processes.app.resource_limits: max_memory_mb is the same as memory_mb in limits: keep "
            "one of them",
            "processes.app.resource_limits: max_open_files is the same as nofile in rlimits: keep "
            "one of them",
        ]

    @pytest.mark.parametrize(
        "line",
        ["memory_mb = 0", "memory_mb = '512'", "cpu_percent = 0", "cpu_window_secs = 0", "x = 1"],
    )
    def test_what_is_wrong_in_them_is_told(self, line):
        [problem] = app_problems(f"[processes.app.limits]\n{line}", facts=UNPRIVILEGED)

        assert problem.startswith("oxfile.toml:4: processes.app.limits: ")
