"""Addresses that oxtrio holds: who has them, who waits there, and when clients are refused."""

import json
import os
import re
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import FIXTURES, NOBODY, PYTHON, Ox, needs_root
from tests.e2e.processes import DEADLINE, alive, eventually
from tests.e2e.site import GENTLE, HOST, Site, is_refused, own_port, who

pytestmark = pytest.mark.slow

HANDED = FIXTURES / "handed.py"
UVICORN = "uvicorn main:app --port {port}"


class Api:
    """The app `api`, which is handed its socket; what it is told is in the oxfile."""

    def __init__(self, ox: Ox) -> None:
        self.ox, self.port = ox, own_port()

    def oxfile(self, *more: str, release: str = "1") -> str:
        lines = [
            "[processes.api]",
            f'command = "{PYTHON} {HANDED} {release}"',
            f'listen = "{HOST}:{self.port}"',
            "stop_timeout_ms = 3000",
            *more,
        ]
        return "\n".join(lines) + "\n"

    def load(self) -> LoadSpec:
        return LoadSpec(f"{HOST}:{self.port}", concurrency=4, pause=GENTLE)

    def pids(self, count: int) -> dict[str, int]:
        return {f"api:{number}": self.ox.pid(f"api:{number}") for number in range(count)}

    def answered_by(self, count: int = 40) -> set[int]:
        """Who has answered some requests."""
        answers = [who(self.port) for _ in range(count)]
        return {answer[1] for answer in answers if answer is not None}


@pytest.fixture
def api(ox: Ox) -> Api:
    return Api(ox)


# Held, from the start to the stop.


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


def test_after_kill_9_of_the_supervisor_start_holds_it_again(api: Api):
    ox = api.ox
    ox.write(api.oxfile())
    ox.done("start")
    old, supervisor = ox.pid("api"), ox.supervisor()
    supervisor.kill()
    eventually(lambda: not alive(supervisor.pid), "the supervisor to be dead")
    assert who(api.port) == ("1", old)

    ox.done("start")

    assert not alive(old)
    assert who(api.port) == ("1", ox.pid("api"))
    assert ox.rows()["api"]["listen"] == [f"{HOST}:{api.port}"]


def test_run_in_the_foreground_holds_it_too(api: Api):
    ox = api.ox
    ox.write(api.oxfile())
    running = ox.foreground("run")
    ox.becomes("api", "running")
    before = ox.pid("api")
    with start(api.load()) as load:
        load.wait_answers(20)
        os.kill(before, signal.SIGKILL)
        ox.becomes("api", "running", after=before)
        load.wait_answers(20)
        ox.write(api.oxfile(release="2"))
        ox.done("reload", "api")
        load.wait_answers(20)
        found = load.stop().whole

    assert "refused" not in found.failed
    assert found.failures <= 4
    assert set(found.releases) == {"1", "2"}
    running.signal(signal.SIGINT)
    assert running.ends() == 0
    assert is_refused(api.port)


# Who serves it.


def test_scale_adds_and_drains_instances_and_no_request_fails(api: Api):
    ox = api.ox
    ox.up(api.oxfile())
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.done("scale", "api=3")
        three = api.pids(3)
        eventually(lambda: api.answered_by() == {*three.values()}, "all three to answer")
        load.wait_answers(20)
        ox.done("scale", "api=1")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(ox.rows()) == {"api", "canary"}
    assert ox.pid("api") == three["api:0"]
    assert not any(alive(three[name]) for name in ("api:1", "api:2"))
    assert api.answered_by(5) == {three["api:0"]}


def test_a_drained_instance_gets_no_new_connections_until_it_is_resumed(api: Api):
    ox = api.ox
    ox.up(api.oxfile("instances = 2"))
    pids = api.pids(2)
    with start(api.load()) as load:
        load.wait_answers(20)

        ox.done("drain", "api:0")

        assert ox.rows()["api:0"]["status"] == "drained"
        assert api.answered_by() == {pids["api:1"]}
        assert "no other instance" in ox.refused(1, "drain", "api:1")
        ox.done("resume", "api:0")
        eventually(lambda: api.answered_by() == {*pids.values()}, "both to answer")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert api.pids(2) == pids
    assert {row["status"] for row in ox.rows().values()} == {"running"}


def test_sighup_to_the_supervisor_puts_a_change_into_service_and_no_request_fails(api: Api):
    ox = api.ox
    ox.up(api.oxfile())
    with start(api.load()) as load:
        load.wait_answers(20)
        ox.up(api.oxfile(release="2"), "canary")

        ox.supervisor().send_signal(signal.SIGHUP)

        eventually(lambda: (who(api.port) or " ")[0] == "2", "the change")
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(found.releases) == {"1", "2"}


def test_a_server_that_reloads_itself_is_sent_its_signal(ox: Ox):
    site = Site(ox, "web", "gunicorn app:app --bind 127.0.0.1:{port} --workers 1")
    ox.up(site.oxfile('reload = { signal = "SIGHUP" }'))
    master = ox.pid("web")
    assert ox.rows()["web"]["reload"] == "SIGHUP"
    site.release("2")

    ox.done("reload", "web")

    eventually(lambda: site.answering() == "2", "gunicorn to have reloaded")
    assert ox.pid("web") == master


# What is not held.


def test_hold_port_false_leaves_the_server_alone_and_the_gap_is_told_with_what_removes_it(ox: Ox):
    site = Site(ox, "web", UVICORN)
    ox.up(site.oxfile("hold_port = false"))
    row = ox.rows()["web"]
    assert (row["listen"], row["reload"]) == ([], "restart")
    assert "hold_port = false" in row["gap"]
    [inode] = _listeners(site.port)
    assert _has(ox.pid("web"), inode)
    assert not _has(ox.supervisor().pid, inode)
    why = ox("why", "web")
    assert "A reload means a gap: " in why.stdout
    assert "hold_port = true" in why.stdout + why.stderr
    site.release("2")

    reloaded = ox("reload", "web")

    assert reloaded.returncode == 0
    [said] = re.findall("(?m)^note: (web .*)$", reloaded.stderr)
    assert "gap" in said
    assert "write: hold_port = true" in said
    assert site.answering() == "2"
    ox.done("stop", "web")
    assert is_refused(site.port)


def test_what_cannot_be_read_for_sure_is_left_alone_and_works_as_by_hand(ox: Ox):
    """The article's other way to use a virtual environment."""
    activate = ox.write("", "venv/bin/activate")
    site = Site(ox, "web", f"bash -c 'source {activate} && {UVICORN}'")
    ox.up(site.oxfile())

    row = ox.rows()["web"]

    assert (row["listen"], row["reload"]) == ([], "restart")
    assert row["gap"]
    assert site.answering() == "1"
    said = ox("reload", "web").stderr
    assert f'command = "uvicorn main:app --port {site.port}"' in said
    assert f'venv = "{ox.folder}/venv"' in said


@needs_root
def test_a_port_for_root_alone_is_one_clear_error_for_others(ox: Ox):
    port = _low_port()
    ox.folder.chmod(0o777)
    ox.write(f'[processes.api]\ncommand = "{PYTHON} {HANDED} 1"\nlisten = "{HOST}:{port}"\n')

    said = ox.refused(1, "start", prefix=NOBODY)

    assert "for root" in said
    assert str(port) in said
    assert ox.rows()["api"]["status"] in ("backoff", "crashed", "starting")


@needs_root
def test_a_known_server_on_a_port_for_root_alone_fails_as_it_would_by_hand(ox: Ox):
    port = _low_port()
    ox.folder.chmod(0o777)
    ox.write(
        f'[processes.web]\ncommand = "uvicorn asgi:app --port {port}"\nworking_dir = "s"\n'
        # It counts as up when it has run for this long, and it takes its time to fail.
        "start_secs = 600\n"
    )
    ox.write((FIXTURES / "servers" / "asgi.py").read_text(), "s/asgi.py")

    said = ox.refused(1, "start", prefix=NOBODY)

    assert "permission denied" in said.lower()
    assert ox.rows()["web"]["listen"] == []


def _low_port() -> int:
    """One that root alone may have, here."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("here everybody may have every port")
    return first - 1


# Unix sockets.


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


# What is shown.


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


def _listeners(port: int) -> list[int]:
    """The inodes of the IPv4 sockets that listen on *port*."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = f"{port:04X}"
    return [int(row[9]) for row in rows if row[3] == "0A" and row[1].endswith(f":{here}")]


def _has(pid: int, inode: int) -> bool:
    """Whether it has that socket."""
    links = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            links.add(os.readlink(each))
    return f"socket:[{inode}]" in links
