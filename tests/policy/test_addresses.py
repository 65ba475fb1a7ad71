"""Which address an app could not take, and which it could not reach."""

import pytest

from oxtrio.policy.addresses import (
    Address,
    address_in_use,
    address_of_command,
    is_address_in_use,
    refused_connection,
)
from oxtrio.policy.symptoms import Command

UVICORN = (
    "ERROR:    [Errno 98] error while attempting to bind on address "
    "('0.0.0.0', 8000): address already in use"
)
UVICORN_6 = (
    "ERROR:    [Errno 98] error while attempting to bind on address "
    "('::1', 8000, 0, 0): [errno 98] address already in use"
)
GUNICORN = "[2026-11-21 19:00:01 +0000] [77] [ERROR] Connection in use: ('127.0.0.1', 8000)"
FLASK = (
    "Address already in use",
    "Port 5000 is in use by another program. Either identify and stop that program.",
)
POSTGRES = (
    'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use',
    "HINT:  Is another postmaster already running on port 5433?",
)


@pytest.mark.parametrize(
    ("lines", "command", "address"),
    [
        ([UVICORN], "uvicorn main:app", ("0.0.0.0", 8000)),
        ([UVICORN_6], "uvicorn main:app", ("::1", 8000)),
        ([UVICORN, "INFO:     Waiting for application shutdown."], "x", ("0.0.0.0", 8000)),
        ([GUNICORN, "[2026-11-21 19:00:02 +0000] Retrying"], "x", ("127.0.0.1", 8000)),
        (FLASK, "flask run --port 5050", (None, 5000)),
        (POSTGRES, "postgres -p 1", (None, 5433)),
        (["Error: That port is already in use."], "python manage.py runserver", (None, 8000)),
        (["Error: That port is already in use."], "manage.py runserver 9000", (None, 9000)),
        (
            ["Error: That port is already in use."],
            "manage.py runserver 0.0.0.0:9000",
            ("0.0.0.0", 9000),
        ),
        (["Error: listen EADDRINUSE: address already in use :::3000"], "node x.js", ("::", 3000)),
        (
            ["Error: listen EADDRINUSE: address already in use 127.0.0.1:3000", "at net.js:13:4"],
            "node x.js",
            ("127.0.0.1", 3000),
        ),
        (["listen tcp :8080: bind: address already in use"], "./serve", (None, 8080)),
        (
            ["12:30:45 Could not create server TCP listening socket *:6379: bind: Address in use"],
            "redis-server",
            (None, 6379),
        ),
        (
            ['Address already in use - bind(2) for "0.0.0.0" port 3000 (Errno::EADDRINUSE)'],
            "puma",
            ("0.0.0.0", 3000),
        ),
        (
            ['  File "/srv/main.py:12", line 3', "OSError: [Errno 98] Address already in use"],
            "python -m http.server 8123",
            (None, 8123),
        ),
        (["OSError: [Errno 98] Address already in use"], "./serve", None),
        (["Web server failed to start. Port 8080 was already in use."], "java", (None, 8080)),
        (["all is well on port 8000"], "uvicorn main:app", None),
        ([], "uvicorn main:app", None),
    ],
)
def test_the_address_that_is_in_use_is_found(
    lines: list[str], command: Command, address: Address | None
):
    assert address_in_use(lines, command) == address


def test_the_newest_trouble_counts():
    older = UVICORN.replace("8000", "7000")

    assert address_in_use([older, UVICORN], "x") == ("0.0.0.0", 8000)


def test_an_address_in_use_is_seen_where_nothing_tells_which():
    assert is_address_in_use(["OSError: [Errno 98] Address already in use"])
    assert not is_address_in_use(["listening on port 8000"])


@pytest.mark.parametrize(
    ("command", "address"),
    [
        ("uvicorn main:app --host 127.0.0.1 --port 8001", ("127.0.0.1", 8001)),
        ("uvicorn main:app --port=8001", (None, 8001)),
        ("venv/bin/uvicorn main:app", (None, 8000)),
        ("gunicorn shop.wsgi -b 0.0.0.0:9000", ("0.0.0.0", 9000)),
        ("gunicorn shop.wsgi --bind=:9000", (None, 9000)),
        ("gunicorn shop.wsgi --bind [::1]:9000", ("::1", 9000)),
        (("redis-server", "--port", "6380"), (None, 6380)),
        ("flask run -h 0.0.0.0 -p 5001", ("0.0.0.0", 5001)),
        ("flask --app shop run", (None, 5000)),
        ("python -m http.server 8123", (None, 8123)),
        ("python -m http.server --bind 127.0.0.1 8124", ("127.0.0.1", 8124)),
        ("uvicorn main:app --port $PORT", None),
        ("python worker.py", None),
    ],
)
def test_a_command_tells_where_its_server_listens(command: Command, address: Address | None):
    assert address_of_command(command) == address


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (
            'psycopg2.OperationalError: connection to server at "localhost" (127.0.0.1), '
            "port 5432 failed: Connection refused",
            "localhost:5432",
        ),
        (
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. "
            "Connection refused.",
            "localhost:6379",
        ),
        (
            "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)",
            "127.0.0.1:5432",
        ),
        (
            "[2026-11-21 19:00:01,123: ERROR/MainProcess] consumer: Cannot connect to "
            "amqp://guest:**@10.0.0.1:5672//: [Errno 111] Connection refused.",
            "10.0.0.1:5672",
        ),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", "127.0.0.1:5432"),
        ("dial tcp db.internal:5432: connect: connection refused", "db.internal:5432"),
        ("httpx.ConnectError: [Errno 111] Connection refused", ""),
        ("connected to localhost:6379", None),
    ],
)
def test_the_server_that_refused_is_named(line: str, address: str | None):
    assert refused_connection(["starting", line, "stopping"]) == address
