"""`why` explains what has happened; it does not repeat the status."""

import os
import re
import signal
import socket

import pytest

from tests.e2e.kit import Ox, needs_root

pytestmark = pytest.mark.slow

GIVEN_UP = "max_restarts = 1\nrestart_delay_ms = 1\n"


def why(ox: Ox, text: str, *states: str) -> str:
    """What `why a` says once *a* is in one of *states*, lower case."""
    ox.write(text)
    ox("start")
    ox.becomes("a", *(states or ("crashed",)))
    return ox.done("why", "a").lower()


def app(command: str, keys: str = GIVEN_UP) -> str:
    return f"[processes.a]\ncommand = '''{command}'''\n{keys}"


def test_a_command_that_is_not_there(ox: Ox):
    said = why(ox, app("no-such-program-of-ours --port 1"))

    assert "no-such-program-of-ours" in said
    assert "not found" in said
    assert "127" in said


def test_a_file_that_may_not_be_executed(ox: Ox):
    ox.write("#!/bin/sh\n", "tool").chmod(0o644)

    said = why(ox, app("./tool"))

    assert "126" in said
    assert "chmod +x" in said


@pytest.mark.parametrize(
    ("content", "named"),
    [("#!/no/such/interpreter\n", "/no/such/interpreter"), ("echo x\n", "#!")],
)
def test_a_program_whose_first_line_is_wrong(ox: Ox, content: str, named: str):
    ox.write(content, "tool").chmod(0o755)

    assert named in why(ox, '[processes.a]\ncommand = ["./tool"]\n' + GIVEN_UP)


def test_a_module_that_is_missing(ox: Ox):
    said = why(ox, app('python3 -c "import nomodule_of_ours"'))

    assert "nomodule_of_ours" in said
    assert "install" in said or "venv" in said


def test_an_address_in_use_and_who_has_it(ox: Ox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f'import socket; socket.create_server(("127.0.0.1", {port}))'

        said = why(ox, app(f"python3 -c '{script}' --port {port}".replace("'", '"""', 0)))

    assert str(port) in said
    assert str(os.getpid()) in said, "the process that has it"


def test_a_kill_that_nobody_here_sent(ox: Ox):
    ox.up(app("exec sleep 3600", "start_secs = 0\nrestart_delay_ms = 3600000\n"))
    os.kill(ox.pid("a"), signal.SIGKILL)
    ox.becomes("a", "backoff")

    said = ox.done("why", "a").lower()

    assert "sigkill" in said
    assert "memory" in said
    assert "oxtrio did not send" in said


def test_a_dependency_that_failed(ox: Ox):
    said = why(
        ox,
        app("sleep 3600", 'depends_on = { migrate = "completed" }\n')
        + '[processes.migrate]\ncommand = "exit 3"\nrestart_on_exit = false\n',
        "blocked",
    )

    assert "migrate" in said
    assert "oxtrio why migrate" in said


def test_an_env_file_that_is_missing(ox: Ox):
    said = why(ox, app("sleep 3600", GIVEN_UP + "env_file = 'secrets.env'\n"))

    assert f"{ox.folder}/secrets.env" in said
    (ox.folder / "secrets.env").touch()
    ox.done("start")
    assert ox.rows()["a"]["status"] == "running"


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_working_dir_that_is_none(ox: Ox, kind: str):
    if kind == "file":
        ox.write("", "where")

    said = why(ox, app("sleep 3600", GIVEN_UP + "working_dir = 'where'\n"))

    assert f"{ox.folder}/where" in said
    assert "127" not in said


@needs_root
def test_an_env_file_that_may_not_be_read_is_an_error_with_its_name(ox: Ox):
    (ox.folder / "secrets.env").mkdir()

    assert "secrets.env" in why(ox, app("sleep 3600", GIVEN_UP + "env_file = 'secrets.env'\n"))


def test_backoff_says_when_it_starts_again_and_what_it_last_said(ox: Ox):
    said = why(
        ox,
        app("echo the cable came loose; exit 3", "restart_delay_ms = 3600000\n"),
        "backoff",
    )

    assert "exit code 3" in said
    assert "the cable came loose" in said
    assert re.search(r"again in \d+ ?(h|min)", said)
    assert ox.rows()["a"]["next_at"]


def test_what_is_well_and_what_was_stopped(ox: Ox):
    ox.up(app("exec sleep 3600", "start_secs = 0\n"))
    assert "running" in ox.done("why", "a")

    ox.done("stop", "a")

    said = ox.done("why", "a")
    assert "stopped" in said
    assert "oxtrio start" in said
    assert {"name", "state", "text", "hints", "last_lines"} <= set(ox.ask("/v1/why/a"))
    ox.refused(4, "why", "nobody")
