"""Probes of real servers, most of which misbehave."""

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from oxtrio.model.health import Answer
from oxtrio.model.spec import HealthSpec
from oxtrio.system import lookup, probe_http, probes
from oxtrio.system.probe_http import tls_context
from oxtrio.system.probes import probe

SERVER = Path(__file__).parent.parent / "fixtures" / "httpsrv.py"
PATIENT = HealthSpec(timeout=10)
HASTY = HealthSpec(timeout=0.3)

pytestmark = pytest.mark.slow


@dataclass
class Server:
    port: int
    process: subprocess.Popen[str]

    def url(self, path: str = "/health") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def requests(self) -> list[str]:
        """What it was asked in its whole life, which ends here."""
        self.process.kill()
        assert self.process.stdout is not None
        return self.process.stdout.read().splitlines()


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Server:
        command = [sys.executable, str(SERVER), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        servers.append(process)
        assert process.stdout is not None
        return Server(int(process.stdout.readline()), process)

    yield start
    for process in servers:
        process.kill()
        process.communicate()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_status_of_200_passes(serve: Serve):
    assert await probe(serve("ok").url(), PATIENT) == Answer(True, "200 OK")


async def test_the_request_names_the_host_of_the_url_and_asks_for_nothing_special(serve: Serve):
    server = serve("ok")

    await probe(server.url("/health?deep=1 2"), PATIENT)

    [request] = server.requests()
    assert request.startswith("GET /health?deep=1%202 HTTP/1.1 | ")
    assert f"| Host: 127.0.0.1:{server.port} |" in request
    assert "| Connection: close" in request
    assert "Cookie" not in request


async def test_what_a_server_says_beside_the_status_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
):
    said = b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b; Path=/\r\nLocation: http://[\r\n\r\n"
    asked: list[bytes] = []

    async def connect(host: str, port: int) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(said)
        heads.append(theirs)
        return ours

    heads: list[trio.abc.Stream] = []
    monkeypatch.setattr(probes, "open_tcp", connect)
    for _ in range(2):
        answer = await probe("http://example.org/", PATIENT)
        assert answer == Answer(False, "302 Found (redirects are not followed)")
        asked.append(await heads[-1].receive_some())

    assert asked[0] == asked[1]
    assert b"ookie" not in asked[1]


async def test_credentials_of_the_url_are_sent(serve: Serve):
    server = serve("ok")

    await probe(f"http://shop:s%20x@127.0.0.1:{server.port}/", PATIENT)

    assert "Authorization: Basic c2hvcDpzIHg=" in server.requests()[0]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("204", "204 No Content"),
        ("404", "404 Not Found"),
        ("500", "500 Internal Server Error"),
        ("no-reason", "503 Service Unavailable"),
        ("odd-reason", "599 [31mred"),
        ("101", "101 Switching Protocols"),
        ("redirect", "302 Found (redirects are not followed)"),
        ("garbage", "protocol error: "),
        ("http09", "protocol error: "),
        ("truncated", "protocol error: the answer broke off"),
        ("close", "protocol error: closed without an answer"),
        ("endless-headers", "protocol error: "),
        ("endless-patience", "protocol error: its headers are too long"),
    ],
)
async def test_any_other_answer_fails_and_is_named(serve: Serve, mode: str, text: str):
    answer = await probe(serve(mode).url(), PATIENT)

    assert not answer.ok
    assert answer.text.startswith(text)
    assert answer.text.isprintable()


async def test_further_statuses_pass_where_they_are_asked_for(serve: Serve):
    spec = HealthSpec(timeout=10, status=(200, 204))

    assert (await probe(serve("204").url(), spec)).ok


async def test_an_interim_answer_is_passed_over(serve: Serve):
    assert (await probe(serve("continue").url(), PATIENT)).ok


async def test_a_redirect_leads_nowhere(serve: Serve):
    server = serve("redirect")

    await probe(server.url(), PATIENT)

    assert len(server.requests()) == 1


@pytest.mark.parametrize("mode", ["huge", "bomb", "hang-body"])
async def test_the_status_counts_and_the_body_is_not_waited_for(serve: Serve, mode: str):
    assert await probe(serve(mode).url(), PATIENT) == Answer(True, "200 OK")


@pytest.mark.parametrize("mode", ["hang-accept", "drip"])
async def test_the_timeout_is_for_the_whole_probe(serve: Serve, mode: str):
    assert await probe(serve(mode).url(), HASTY) == Answer(False, "timed out after 0.3 s")


@pytest.mark.parametrize("scheme", ["http", "https", "tcp"])
async def test_a_closed_port_refuses(closed_port: int, scheme: str):
    answer = await probe(f"{scheme}://127.0.0.1:{closed_port}", PATIENT)

    assert answer == Answer(False, "connection refused")


async def test_localhost_is_tried_in_both_families(serve: Serve):
    on_4 = serve("ok")
    with socket.socket(socket.AF_INET6) as on_6:
        on_6.bind(("::1", 0))
        on_6.listen()

        assert (await probe(f"http://localhost:{on_4.port}/", PATIENT)).ok
        assert (await probe(f"tcp://localhost:{on_6.getsockname()[1]}", PATIENT)).ok


async def test_localhost_that_refuses_in_both_families_refuses(closed_port: int):
    answer = await probe(f"tcp://localhost:{closed_port}", PATIENT)

    assert answer == Answer(False, "connection refused")


async def test_an_ipv6_address_in_brackets_is_understood(serve: Serve):
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        listener.listen()

        assert (await probe(f"tcp://[::1]:{listener.getsockname()[1]}", PATIENT)).ok


async def test_tcp_passes_when_somebody_accepts(serve: Serve):
    answer = await probe(f"tcp://127.0.0.1:{serve('hang-accept').port}", PATIENT)

    assert answer == Answer(True, "connected")


async def test_a_unix_socket_passes_while_somebody_listens(tmp_path: Path):
    path = tmp_path / "app.sock"
    endpoint = f"unix://{path}"

    assert await probe(endpoint, PATIENT) == Answer(False, "no such file or directory")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert await probe(endpoint, PATIENT) == Answer(False, "connection refused")
        listener.listen()
        assert await probe(endpoint, PATIENT) == Answer(True, "connected")


@pytest.mark.parametrize(
    "endpoint",
    ["http://", "tcp://127.0.0.1", "http://127.0.0.1:99999/", "ftp://127.0.0.1/", "http://a b/"],
)
async def test_an_endpoint_that_cannot_be_one_is_an_answer_too(endpoint: str):
    answer = await probe(endpoint, HASTY)

    assert not answer.ok


# Names


async def test_a_name_that_does_not_exist_fails(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(lookup.socket, "getaddrinfo", unknown)

    answer = await probe("http://nosuch.invalid/", PATIENT)

    assert answer == Answer(False, "cannot look up the host: Name or service not known")


async def test_fifty_probes_with_a_dead_name_server_leave_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
):
    asked, over = [], threading.Event()

    def dead(host: str, port: int, **_: object) -> list[object]:
        if host == "alive.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        asked.append(host)
        over.wait(30)
        return []

    monkeypatch.setattr(lookup.socket, "getaddrinfo", dead)
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await probe("http://dead.example/", HASTY))

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert (await probe(f"tcp://alive.example:{serve('ok').port}", PATIENT)).ok
        assert await trio.to_thread.run_sync(lambda: "threads are left")
    finally:
        over.set()

    assert answers == [Answer(False, "timed out after 0.3 s")] * 50
    assert asked == ["dead.example"]


async def test_every_address_of_a_name_gets_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
):
    def two(host: str, port: int, **_: object) -> list[object]:
        # Loopback is a /8: nobody listens at the first address.
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))
            for number in ("127.0.0.9", "127.0.0.1")
        ]

    monkeypatch.setattr(lookup.socket, "getaddrinfo", two)

    assert (await probe(f"http://two.example:{serve('ok').port}/", PATIENT)).ok


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    made, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-keyout", key, "-out", made],
        check=True,
        capture_output=True,
    )
    return made, key


@pytest.fixture
def fresh_context() -> Iterator[None]:
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


async def test_a_certificate_that_nobody_vouches_for_fails(
    serve: Serve, certificate: tuple[str, str]
):
    server = serve("ok", *certificate)

    answer = await probe(f"https://127.0.0.1:{server.port}/", PATIENT)

    assert not answer.ok
    assert answer.text.startswith("certificate verify failed: self")
    assert server.requests() == []


@pytest.mark.usefixtures("fresh_context")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_that_the_system_trusts_passes(
    serve: Serve, certificate: tuple[str, str], host: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    server = serve("ok", *certificate)

    answer = await probe(f"https://{host}:{server.port}/", PATIENT)

    assert answer == Answer(True, "200 OK")


async def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate(serve: Serve):
    answer = await probe(f"https://127.0.0.1:{serve('ok').port}/", PATIENT)

    assert not answer.ok
    assert answer.text.startswith("TLS error: ")


async def test_a_server_that_hangs_in_the_handshake_times_out(serve: Serve):
    answer = await probe(f"https://127.0.0.1:{serve('hang-accept').port}/", HASTY)

    assert answer == Answer(False, "timed out after 0.3 s")


# What is loaded when

LOADED = """
import sys, trio
from oxtrio.model.spec import HealthSpec
from oxtrio.system.probes import prepare, probe
async def main():
    await prepare(["tcp://h:1", "unix:///s"])
    assert not {"httpx", "httpcore", "h11"} & set(sys.modules), "too early"
    await prepare(["tcp://h:1", "https://h"])
    from oxtrio.system.probe_http import tls_context
    assert tls_context.cache_info().currsize
    before = set(sys.modules)
    answers = [await probe(url, HealthSpec(timeout=10)) for url in sys.argv[1:]]
    print(*map(str, answers), sorted(set(sys.modules) - before), sep="|")
trio.run(main)
"""


def test_what_a_probe_needs_is_loaded_by_prepare_and_only_where_it_is_needed(serve: Serve):
    urls = [serve("ok").url(), serve("redirect").url(), serve("garbage").url()]

    done = subprocess.run([sys.executable, "-c", LOADED, *urls], capture_output=True, text=True)

    assert done.stderr == ""
    ok, redirect, garbage, late = done.stdout.strip().split("|")
    assert (ok, redirect) == ("200 OK", "302 Found (redirects are not followed)")
    assert garbage.startswith("protocol error: ")
    assert late == "[]"


async def test_a_first_probe_that_nobody_prepared_passes_too(serve: Serve):
    answers: list[Answer] = []
    url = serve("ok").url()
    probes._by_http.cache_clear()

    async def ask() -> None:
        answers.append(await probe(url, PATIENT))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)

    assert answers == [Answer(True, "200 OK")] * 5


# URLs


@pytest.mark.parametrize(
    ("text", "authority", "port", "target"),
    [
        ("http://example.org", "example.org", 80, "/"),
        ("http://example.org:80/a?b=c", "example.org", 80, "/a?b=c"),
        ("https://example.org/ä", "example.org", 443, "/%C3%A4"),
        ("https://example.org:8443/%20", "example.org:8443", 8443, "/%20"),
        ("http://[::1]:8000/", "[::1]:8000", 8000, "/"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "/"),
    ],
)
async def test_a_url_is_taken_apart(
    text: str, authority: str, port: int, target: str, monkeypatch: pytest.MonkeyPatch
):
    ours, theirs = trio.testing.memory_stream_pair()
    asked: list[int] = []

    async def connect(host: str, port: int) -> trio.abc.Stream:
        asked.append(port)
        return ours

    monkeypatch.setattr(probes, "open_tcp", connect)
    monkeypatch.setattr(probe_http, "_secured", lambda stream, host: stream)
    await theirs.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    await probe(text, PATIENT)

    head = (await theirs.receive_some()).split(b"\r\n")
    assert head[0].decode() == f"GET {target} HTTP/1.1"
    assert f"Host: {authority}".encode() in head
    assert asked == [port]
