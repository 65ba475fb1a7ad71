"""The schema for editors agrees with the reader."""

import tomllib

import jsonschema
import pytest

from oxtrio.config.schema import json_schema
from oxtrio.errors import ConfigError
from tests.config.reading import config_of
from tests.config.test_article import APPS
from tests.config.test_docs import toml_blocks

SCHEMA = jsonschema.Draft202012Validator(json_schema())


def valid_by_schema(text: str) -> bool:
    return bool(SCHEMA.is_valid(tomllib.loads(text)))


def valid_by_reader(text: str) -> bool:
    try:
        config_of(text)
    except ConfigError:
        return False
    return True


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("text", [*(text for text, _ in APPS), *toml_blocks()])
def test_what_is_valid_is_valid_for_both(text):
    assert valid_by_reader(text)
    assert valid_by_schema(text)


@pytest.mark.parametrize(
    "lines",
    [
        "instances = 4",
        "instances = 'max'",
        "instances = 0",
        "instances = true",
        "instances = 'many'",
        "comand = 'x'",
        "nice = 20",
        "nice = 19",
        "exit_codes = [0, 3]",
        "exit_codes = [256]",
        "start_secs = 0.5",
        "start_secs = -1",
        "ready_timeout_secs = 0",
        "restart_delay_ms = 1.5",
        "env_file = ['a', 'b']",
        "env_file = 5",
        "inherit_env = ['A']",
        "inherit_env = 1",
        "env = { A = 1, B = true, C = 'x', D = 0.5 }",
        "env = { A = [] }",
        "depends_on = { app2 = 'heathy' }",
        "depends_on = 5",
        "tags = ['a b']",
        "tags = ['web']",
        "umask = '022'",
        "umask = '9'",
        "rlimits = { nofile = 5 }",
        "rlimits = { nofile = [1, 'unlimited'] }",
        "rlimits = { nofile = 'much' }",
        "rlimits = { nofil = 1 }",
        "limits = { memory_mb = 0 }",
        "limits = { memory_mb = 1 }",
        "logs = { to = ['file'] }",
        "logs = { to = ['syslog'] }",
        "reload = 'restart'",
        "reload = 'overlap'",
        "reload = 'signal'",
        "reload = 'SIGHUP'",
        "reload = { signal = 'SIGHUP' }",
        "reload = { sig = 'SIGHUP' }",
        "reload = {}",
        "reload_parallel = 0",
        "hold_port = 1",
        "port = 65536",
        "port = '80'",
        "listen = '0.0.0.0:80'",
        "listen = 80",
        "listen = ''",
        "listen = []",
        "listen = [80]",
        "listen = { address = '0.0.0.0:80', backlog = 5, name = 'a.b-c' }",
        "listen = { address = 'unix:x', mode = '0600', group = 'x' }",
        "listen = { adress = '0.0.0.0:80' }",
        "listen = { name = 'x' }",
        "listen = [':80', { address = ':81', name = 'a:b' }]",
        "listen = { address = 'unix:x', mode = '0900' }",
        "health_check = { notify = true, watchdog_secs = 5 }",
        "health_check = { notify = 1 }",
        "health_check = { log_line = 'ready' }",
        "health_check = { log_line = '' }",
        "watch = true",
        "health_check = { command = 'x', on_unhealthy = 'nothing' }",
        "health_check = { command = 'x', on_unhealthy = 'stop' }",
        "on_exit = 'shutdown'",
        "on_exit = 'x'",
    ],
)
def test_both_say_the_same_of_a_key(lines):
    text = f"[processes.app]\ncommand = 'x'\n{lines}"

    assert valid_by_schema(text) is valid_by_reader(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "processes = {}",
        "[processes.app]",
        "[processes.app]\ncommand = []",
        "[processes.app]\ncommand = ''",
        "[processes.'a b']\ncommand = 'x'",
        "version = 1\n[processes.app]\ncommand = 'x'",
        "x = 1\n[processes.app]\ncommand = 'x'",
    ],
)
def test_both_refuse_what_is_no_project(text):
    assert not valid_by_schema(text)
    assert not valid_by_reader(text)


def test_every_key_is_described():
    def described(schema: dict[str, object]) -> bool:
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        return all("description" in key and described(key) for key in properties.values())

    assert described(json_schema())


def test_defaults_are_written_as_in_an_oxfile():
    processes = json_schema()["properties"]["processes"]
    keys = processes["additionalProperties"]["properties"]

    assert keys["stop_signal"]["default"] == "SIGTERM"
    assert keys["exit_codes"]["default"] == [0]
    assert keys["on_exit"]["default"] == "nothing"
    assert keys["max_restarts"]["default"] == 15
