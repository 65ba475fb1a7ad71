"""Health checks, as an oxfile writes them."""

from dataclasses import replace

import pytest

from oxtrio.model.spec import HealthSpec, OnUnhealthy, ReadySpec
from tests.config.reading import FACTS, app_of, app_problems

NEEDS = "health_check needs an endpoint, a command, notify = true or a log_line"


def health_of(lines: str) -> HealthSpec | None:
    return app_of(f"[processes.app.health_check]\n{lines}").health


def problems(lines: str) -> list[str]:
    found = app_problems(f"[processes.app.health_check]\n{lines}")
    return [problem.removeprefix("oxfile.toml:") for problem in found]


def test_without_one_there_is_none():
    assert app_of("").health is None


def test_an_endpoint_is_enough():
    assert health_of("endpoint = 'http://localhost:8000/health'") == HealthSpec(
        endpoint="http://localhost:8000/health"
    )


def test_every_key_is_read():
    assert health_of(
        "command = ['redis-cli', 'ping']\ninterval_secs = 2\ntimeout_secs = 0.5\n"
        "healthy_threshold = 2\nunhealthy_threshold = 4\ninitial_delay_secs = 1.5\n"
        "start_period_secs = 0\non_unhealthy = 'nothing'"
    ) == HealthSpec(
        command=("redis-cli", "ping"),
        interval=2.0,
        timeout=0.5,
        healthy_threshold=2,
        unhealthy_threshold=4,
        initial_delay=1.5,
        start_period=0.0,
        on_unhealthy=OnUnhealthy.NOTHING,
    )


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("http://localhost", "http://localhost"),
        ("https://user:pw@example.com/x?y=z", "https://user:pw@example.com/x?y=z"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
        ("tcp://localhost:6379", "tcp://localhost:6379"),
        ("tcp://[::1]:6379", "tcp://[::1]:6379"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://~/x.sock", "unix:///home/ann/x.sock"),
        ("unix://${A:-~}/x.sock", "unix:///home/ann/x.sock"),
        ("http://${HOST}:${PORT:-8000}/", "http://db.example:8000/"),
        ("http://localhost:800${instance}/", "http://localhost:800${instance}/"),
    ],
)
def test_an_endpoint_is_expanded(written, endpoint):
    health = health_of(f"endpoint = '{written}'")

    assert health is not None
    assert health.endpoint == endpoint


@pytest.mark.parametrize(
    ("endpoint", "what"),
    [
        ("localhost:8000/health", "must begin with http://, https://, tcp:// or unix://"),
        ("localhost:8000/health", "(such as http://localhost:8000/health)"),
        ("htp://localhost", "must begin with http://"),
        ("HTTP://localhost", "must begin with http://"),
        ("http://", "must have a host, and a port from 1 to 65535"),
        ("http:///health", "must have a host"),
        ("http://localhost:0/", "must have a host, and a port from 1 to 65535"),
        ("http://localhost:99999/", "must have a valid host, and a port from 1 to 65535"),
        ("http://localhost:port/", "must have a valid host"),
        ("http://[::1/", "must have a valid host"),
        ("http://local host/", "must contain no spaces and no control characters"),
        ("tcp://localhost", "must be tcp://host:port"),
        ("tcp://localhost:80/x", "must be tcp://host:port"),
        ("unix://run/x.sock", "must be unix:// and an absolute path"),
        (f"unix:///{'x' * 107}", "must name a socket path of at most 107 bytes"),
        ("http://${MISSING}/", "${MISSING} is not set"),
        ("http://localhost:${port}/", "${port} needs the key port, such as port = 8000"),
    ],
)
def test_an_endpoint_that_nobody_could_ask_is_refused(endpoint, what):
    assert any(what in problem for problem in problems(f"endpoint = '{endpoint}'"))


def test_a_control_character_in_an_endpoint_is_refused():
    assert "control characters" in problems('endpoint = "http://local\\thost/"')[0]


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ("", 3, NEEDS),
        ("interval_secs = 5", 3, NEEDS),
        ("notify = false", 3, NEEDS),
        ("notify = false\nstart_period_secs = 5", 3, NEEDS),
        ("endpoint = 'http://x'\ncommand = 'x'", 5, "command stands beside endpoint"),
        ("command = ''", 4, "command must be a string"),
        ("command = 'x'\ninterval_secs = 0", 5, "interval_secs must be a number"),
        ("command = 'x'\ntimeout_secs = -1", 5, "timeout_secs must be a number"),
        ("command = 'x'\ninitial_delay_secs = -1", 5, "initial_delay_secs must be a number"),
        ("command = 'x'\nhealthy_threshold = 0", 5, "healthy_threshold must be an integer"),
        ("command = 'x'\nunhealthy_threshold = 1.5", 5, "unhealthy_threshold must be an integer"),
        ("command = 'x'\non_unhealthy = 'stop'", 5, 'on_unhealthy must be "restart" or "nothing"'),
        ("command = 'x'\nstart_period_secs = 'x'", 5, "start_period_secs must be a number"),
        ("endpoint = 'http://x'\nstatus = []\nendpont = 1", 6, "did you mean endpoint?"),
        (
            "endpoint = 'http://x'\nstatus = [600]",
            5,
            "status must be an array of HTTP status codes",
        ),
        ("endpoint = 'http://x'\nstatus = 200", 5, "status must be an array"),
        ("endpoint = 'tcp://x:1'\nstatus = [200]", 5, "status has a meaning only with an http"),
        ("notify = 'yes'\ncommand = 'x'", 4, "notify must be true or false"),
        ("watchdog_secs = 5", 4, "watchdog_secs needs notify = true"),
        ("command = 'x'\nwatchdog_secs = 5", 5, "watchdog_secs needs notify = true"),
        ("notify = false\nwatchdog_secs = 5", 5, "watchdog_secs needs notify = true"),
        ("notify = true\nwatchdog_secs = 0", 5, "watchdog_secs must be a number: seconds, above 0"),
        ("log_line = ''", 4, "log_line must be a regular expression that is not empty"),
        ("log_line = 5", 4, "log_line must be a regular expression"),
        (
            "log_line = 'ready (in'",
            4,
            "log_line is no regular expression: missing ), unterminated subpattern at position 6",
        ),
        ("log_line = '*'", 4, "is no regular expression: nothing to repeat at position 0"),
        ("log_line = '[[a]'", 4, "is no regular expression: Possible nested set at position 1"),
        ("log_line = 'a{99999999999999999999}'", 4, "the repetition number is too large"),
        ("command = 'x ${port}'", 4, "command contains ${port}, which needs the key port"),
        ("command = 'x ${fd}'", 4, "${fd}, which serves only in the command of the app"),
    ],
)
def test_what_is_wrong_is_told_once(lines, line, what):
    [problem] = problems(lines)

    assert problem.startswith(f"{line}: processes.app")
    assert what in problem


@pytest.mark.parametrize(
    "line",
    [
        "status = [200]",
        "interval_secs = 5",
        "timeout_secs = 5",
        "healthy_threshold = 2",
        "unhealthy_threshold = 2",
        "initial_delay_secs = 2",
        "on_unhealthy = 'nothing'",
    ],
)
@pytest.mark.parametrize("test", ["notify = true", "log_line = 'ready'"])
def test_what_is_about_answers_needs_something_that_answers(test, line):
    key = line.partition(" ")[0]

    assert problems(f"{test}\n{line}") == [
        f"5: processes.app.health_check: {key} has a meaning only with an endpoint or a command"
    ]


def test_an_app_can_say_itself_that_it_is_ready():
    app = app_of("health_check = { notify = true, watchdog_secs = 2.5, start_period_secs = 9 }")

    assert app.health is None
    assert app.ready == ReadySpec(notify=True, watchdog=2.5, period=9.0)
    assert app.has_readiness_test


def test_a_line_of_its_output_can_say_so():
    app = app_of("health_check = { log_line = 'ready in \\d+ s$' }".replace("\\\\", "\\"))

    assert app.health is None
    assert app.ready == ReadySpec(log_line=r"ready in \d+ s$")


def test_of_several_tests_all_are_kept():
    app = app_of(
        "[processes.app.health_check]\nendpoint = 'tcp://x:1'\nnotify = true\n"
        "log_line = 'up'\nstart_period_secs = 7\ninterval_secs = 3"
    )

    assert app.health == HealthSpec(endpoint="tcp://x:1", start_period=7.0, interval=3.0)
    assert app.ready == ReadySpec(notify=True, log_line="up", period=7.0)


def test_the_period_of_an_answer_is_none_of_readiness():
    app = app_of("health_check = { endpoint = 'tcp://x:1', start_period_secs = 7 }")

    assert app.ready == ReadySpec()


def test_a_port_stays_in_the_endpoint_and_in_the_command():
    app = app_of("port = 80\nhealth_check = { endpoint = 'http://x:${port}/${instance}' }")
    other = app_of("port = 80\nhealth_check = { command = ['x', '${port}'] }")

    assert app.health == HealthSpec(endpoint="http://x:${port}/${instance}")
    assert other.health == HealthSpec(command=("x", "${port}"))


def test_a_home_folder_is_needed_only_where_it_is_named():
    homeless = replace(FACTS, home="")

    [problem] = app_problems("working_dir = '~/x'", facts=homeless)

    assert 'must be a path, is "~/x"' in problem
