"""Addresses that oxtrio holds: who waits there, when clients are refused, and who is told."""

import json
import os
import re
import socket
import sys
from contextlib import closing

import psutil
import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import PYTHON, Ox
from tests.e2e.processes import DEADLINE, alive, eventually
from tests.e2e.site import GENTLE, HANDED, HOST, Api, Site, is_refused, who

pytestmark = pytest.mark.slow

UVICORN = "uvicorn main:app --port {port}"


@pytest.fixture
def api(ox: Ox) -> Api:
    return Api(ox)


def test_clients_wait_through_backoff_and_are_refused_after_stop(api: Api):
    ox, flag = api.ox, api.ox.folder / "now"
    command = f'command = "test -e {flag} && exec {PYTHON} {HANDED} 1"'
    text = re.sub("command = .*", lambda _: command, api.oxfile("restart_delay_ms = 3600000"))
    assert is_refused(api.port)
    ox.write(text)
    ox.refused(1, "start")
    assert ox.rows()["api"]["status"] == "backoff"
    assert ox.rows()["api"]["listen"] == [f"{HOST}:{api.port}"]

    with socket.create_connection((HOST, api.port), DEADLINE) as waiting:
        waiting.sendall(b"GET / HTTP/1.0\r\n\r\n")
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
        flag.touch()
        ox.done("restart", "api")

        waiting.settimeout(DEADLINE)
        assert waiting.recv(100).startswith(b"HTTP/1.0 200")

    ox.done("stop", "api")
    assert is_refused(api.port)
    assert ox.rows()["api"]["listen"] == []
    with closing(socket.create_server((HOST, api.port))):
        assert "address is in use" in ox.refused(1, "start", "api")


def test_clients_are_refused_when_it_is_given_up_and_when_it_has_ended(api: Api):
    ox, other = api.ox, Api(api.ox)
    ends = other.oxfile("health_check = { log_line = 'up' }").replace(
        "processes.api", "processes.b"
    )
    ends = re.sub("command = .*", "command = 'echo up; read line < go'", ends)
    os.mkfifo(ox.folder / "go")
    crash = re.sub("command = .*", "command = 'exit 3'", api.oxfile("max_restarts = 1"))
    ox.write(crash + ends)
    assert ox("start").returncode == 1

    ox.becomes("api", "crashed")
    assert is_refused(api.port)
    assert not is_refused(other.port)
    (ox.folder / "go").write_text("\n")
    ox.becomes("b", "exited")
    assert is_refused(other.port)


def test_an_address_in_use_is_one_error_that_names_who_has_it(api: Api):
    ox, site = api.ox, Site(api.ox, "web", UVICORN)
    for port in (api.port, site.port):
        code = f"import socket, signal; s = socket.create_server(('', {port})); signal.pause()"
        ox.write(code, f"{port}.py")
    ox.write(api.oxfile() + site.oxfile())
    taken = {port: _running(ox, f"{port}.py", port) for port in (api.port, site.port)}
    try:
        ended = ox("start")

        assert ended.returncode == 1
        for name, port in (("api", api.port), ("web", site.port)):
            [error] = re.findall(f"(?m)^error: cannot start {name}: (.*)$", ended.stderr)
            assert re.search(rf"{port}: the address is in use by python.* \(pid", error), error
            assert f"(pid {taken[port].pid})" in error
    finally:
        for process in taken.values():
            process.kill()
            process.wait()

    # Nobody has to be asked: it is tried again as soon as it may be.
    for name in ("api", "web"):
        assert ox.becomes(name, "running")["listen"]


def _running(ox: Ox, name: str, port: int) -> psutil.Popen:
    process = psutil.Popen([sys.executable, "-IS", str(ox.folder / name)], env=ox.environ)
    eventually(lambda: not is_refused(port), f"{name} to listen")
    return process


def test_after_kill_9_of_the_supervisor_it_is_held_as_before(api: Api):
    ox = api.ox
    ox.write(api.oxfile())
    ox.done("start")
    old, supervisor = ox.pid("api"), ox.supervisor()
    supervisor.kill()
    eventually(lambda: not alive(supervisor.pid), "the supervisor to be dead")
    assert who(api.port) == ("1", old)

    ox.done("start")

    assert ox.pid("api") == old
    assert who(api.port) == ("1", old)
    assert ox.rows()["api"]["listen"] == [f"{HOST}:{api.port}"]


def test_gunicorn_on_a_unix_socket_is_reloaded_without_a_failed_request(ox: Ox):
    path = ox.folder / "web.sock"
    site = Site(ox, "web", f"gunicorn app:app -w 2 -b unix:{path}")
    ox.up(re.sub(r"(?m)^\[processes.web.health_check\]\nendpoint = .*\n", "", site.oxfile()))
    row = ox.rows()["web"]
    assert (row["listen"], row["reload"], row["gap"]) == ([f"unix:{path}"], "overlap", "")
    with start(LoadSpec(f"unix:{path}", concurrency=4, pause=GENTLE)) as load:
        load.wait_answers(20)
        site.release("2")
        ox.done("reload", "web")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(found.releases) == {"1", "2"}
    ox.done("stop", "web")
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError, match="refused|No such"):
        client.connect(str(path))


def test_status_and_why_show_what_is_held_and_how_it_is_reloaded(api: Api):
    ox, site = api.ox, Site(api.ox, "web", UVICORN)
    plain = '[processes.plain]\ncommand = "sleep 3600"\nstart_secs = 0\n'
    ox.up(api.oxfile("instances = 2") + site.oxfile() + plain)

    rows = {row["name"]: row for row in json.loads(ox.done("status", "--json"))}

    table = {line.split()[0]: line for line in ox.done("status").splitlines()}
    for name, port in (("api:0", api.port), ("api:1", api.port), ("web", site.port)):
        row = rows[name]
        assert row["listen"] == [f"{HOST}:{port}"]
        assert (row["reload"], row["gap"]) == ("overlap", "")
        assert f"{HOST}:{port}" in table[name]
    assert f"{HOST}:{site.port}" in ox.done("why", "web")
    assert (rows["plain"]["listen"], rows["plain"]["reload"]) == ([], "restart")
    assert rows["plain"]["gap"] == ""
