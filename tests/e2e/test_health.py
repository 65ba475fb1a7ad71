"""Health checks: what passes, what does not, and what follows."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox

pytestmark = pytest.mark.slow

APP = '[processes.a]\ncommand = "sleep 3600"\nready_timeout_secs = 60\n'
CHECK = "[processes.a.health_check]\ninterval_secs = 0.1\nhealthy_threshold = 1\n"


@contextmanager
def listening(server: socket.socket) -> Iterator[None]:
    """Accept, and answer whatever comes with `200 OK`."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_an_app_is_starting_until_its_address_answers(ox: Ox, scheme: str):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    port = server.getsockname()[1]
    ox.up(APP + CHECK + f'endpoint = "{scheme}://127.0.0.1:{port}"\n', "--no-wait")
    row = ox.eventually(lambda: (r := ox.rows()["a"])["last_health"] and r, "a first answer")
    assert row["status"] == "starting"
    assert "refused" in str(row["last_health"])

    server.listen()
    with listening(server):
        ox.done("wait", "a", "--for", "healthy")

    assert ox.rows()["a"]["pid"] == row["pid"]


def test_a_unix_socket_counts_when_somebody_accepts(ox: Ox):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(ox.folder / "s"))
        server.listen()

        ox.up(APP + CHECK + f'endpoint = "unix://{ox.folder}/s"\n')

    assert ox.rows()["a"]["status"] in ("running", "unhealthy", "starting")
    assert any(each["state"] == "running" for each in ox.events() if each["name"] == "a")


def test_a_command_runs_as_the_app_would(ox: Ox):
    check = 'test "$X" = y -a "$PWD" = "$HOME/sub" -a -n "$OXTRIO_NAME"'
    (ox.folder / "sub").mkdir()
    ox.up(APP + "working_dir = 'sub'\nenv = { X = 'y' }\n" + CHECK + f"command = '{check}'\n")

    assert (ox.rows()["a"]["status"], ox.rows()["a"]["health"]) == ("running", "healthy")


ANSWERS = [
    ("ok", "[200]", True),
    ("204", "[200]", False),
    ("204", "[200, 204]", True),
    ("redirect", "[200]", False),
    ("500", "[200]", False),
    ("hang-accept", "[200]", False),
    ("hang-body", "[200]", True),
    ("drip", "[200]", False),
    ("huge", "[200]", True),
    ("garbage", "[200]", False),
]


def test_only_the_promised_answers_pass(ox: Ox):
    servers = "".join(
        f"[processes.server{number}]\nstart_secs = 0\n"
        f"command = '{PYTHON} {FIXTURES}/httpsrv.py {mode} > port{number}'\n"
        for number, (mode, _, _) in enumerate(ANSWERS)
    )
    ox.up(servers)
    ports = [
        ox.content(f"port{number}", lambda text: "\n" in text).split()[0]
        for number in range(len(ANSWERS))
    ]
    asked = "".join(
        (APP + CHECK).replace("processes.a", f"processes.a{number}")
        + f'status = {status}\nendpoint = "http://127.0.0.1:{ports[number]}/health"\n'
        "timeout_secs = 0.5\n"
        for number, (_, status, _) in enumerate(ANSWERS)
    )
    ox.write(servers + CANARY + asked)

    ox.done("start", "--no-wait")

    for number, (mode, _, healthy) in enumerate(ANSWERS):
        name = f"a{number}"
        ox.eventually(lambda name=name: ox.rows()[name]["last_health"], f"an answer for {name}")
        if healthy:
            assert ox.becomes(name, "running")["health"] == "healthy", mode
        else:
            assert ox.rows()[name]["status"] == "starting", mode


def test_failures_in_a_row_restart_the_app(ox: Ox):
    ox.up(APP + "restart_delay_ms = 1\n" + CHECK + "command = 'test ! -e ill'\n")
    old = ox.pid("a")
    assert ox.rows()["a"]["health"] == "healthy"

    (ox.folder / "ill").touch()
    # What is ill stays starting after the restart; the first run has ended by then.
    row = ox.becomes("a", "starting", "backoff", after=old)
    (ox.folder / "ill").unlink()

    row = ox.becomes("a", "running", after=old)
    assert row["restarts"] >= 1
    assert "health" in ox.done("events")


def test_one_failure_changes_nothing_but_the_last_answer(ox: Ox):
    ox.up(
        APP
        + CHECK
        + "unhealthy_threshold = 1000000\ncommand = 'test ! -e ill || (echo 503; exit 1)'\n"
    )
    old = ox.pid("a")

    (ox.folder / "ill").touch()

    ox.eventually(lambda: "1" in str(ox.rows()["a"]["last_health"]), "the answer")
    assert (ox.rows()["a"]["status"], ox.pid("a")) == ("running", old)


def test_nothing_follows_where_the_oxfile_says_so_and_it_comes_back(ox: Ox):
    ox.up(APP + CHECK + 'on_unhealthy = "nothing"\ncommand = "test ! -e ill"\n')
    old = ox.pid("a")

    (ox.folder / "ill").touch()
    ox.becomes("a", "unhealthy")
    assert ox("status").returncode == 3
    (ox.folder / "ill").unlink()

    assert ox.becomes("a", "running")["pid"] == old


def test_without_one_pass_in_its_start_period_the_start_has_failed(ox: Ox):
    ox.write(
        APP
        + "max_restarts = 1\nrestart_delay_ms = 1\n"
        + CHECK
        + "start_period_secs = 0.3\ncommand = 'echo not yet; exit 7'\n"
    )

    said = ox.refused(1, "start")

    assert "health" in said
    assert ox.becomes("a", "crashed")
    assert "7" in ox.done("why", "a") or "not yet" in ox.done("why", "a")


def test_a_command_that_hangs_is_killed_with_all_that_it_has_started(ox: Ox):
    ox.up(APP + CHECK + "timeout_secs = 0.2\ncommand = 'sleep 1234 & sleep 1234'\n", "--no-wait")
    ox.eventually(lambda: "time" in str(ox.rows()["a"]["last_health"]).lower(), "a timeout")

    ox.done("stop", "a")

    def left() -> list[int]:
        return [each.pid for each in ox.ours() if "1234" in each.cmdline()]

    ox.eventually(lambda: not left(), "the commands to be gone")


def test_dead_names_and_hanging_checks_hold_up_nobody(ox: Ox):
    ox.up(
        "".join(
            f'[processes.a{number}]\ncommand = "sleep 3600"\n[processes.a{number}.health_check]\n'
            'endpoint = "http://nosuch.invalid/"\ntimeout_secs = 30\ninterval_secs = 0.1\n'
            for number in range(5)
        )
        + APP
        + CHECK
        + "command = 'true'\n",
        "--no-wait",
    )

    assert ox.becomes("a", "running")
