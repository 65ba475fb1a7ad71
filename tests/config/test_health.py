"""Health checks, as an oxfile writes them."""

from dataclasses import replace

import pytest

from oxtrio.model.spec import HealthSpec, OnUnhealthy
from tests.config.reading import FACTS, app_of, app_problems


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
        ("http://localhost:${port}/", "${port} is not supported yet"),
    ],
)
def test_an_endpoint_that_nobody_could_ask_is_refused(endpoint, what):
    assert any(what in problem for problem in problems(f"endpoint = '{endpoint}'"))


def test_a_control_character_in_an_endpoint_is_refused():
    assert "control characters" in problems('endpoint = "http://local\\thost/"')[0]


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ("", 3, "health_check needs an endpoint or a command"),
        ("interval_secs = 5", 3, "health_check needs an endpoint or a command"),
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
        ("notify = true", 4, "notify is not supported yet"),
    ],
)
def test_what_is_wrong_is_told_once(lines, line, what):
    [problem] = problems(lines)

    assert problem.startswith(f"{line}: processes.app")
    assert what in problem


def test_a_home_folder_is_needed_only_where_it_is_named():
    homeless = replace(FACTS, home="")

    [problem] = app_problems("working_dir = '~/x'", facts=homeless)

    assert 'must be a path, is "~/x"' in problem
