"""How a reload replaces a run, and what is said of the gap where there is one."""

from signal import Signals

import pytest

from oxtrio.model.spec import (
    AppSpec,
    HealthSpec,
    ListenSpec,
    ReadySpec,
    ReloadManner,
    ReloadSpec,
)
from oxtrio.policy.reload import Reached, asks_at, is_at, is_only_one, succession_of

WEB = ListenSpec(host="0.0.0.0", port=8000)
HELD = Reached(held=(WEB,))
UNHELD = Reached()
NOTIFY = ReadySpec(notify=True)
LINE = ReadySpec(log_line="ready")


def an_app(command: str | tuple[str, ...] = "serve", **rest: object) -> AppSpec:
    return AppSpec(name="api", command=command, working_dir="/", **rest)  # type: ignore[arg-type]


def asked_at(endpoint: str) -> HealthSpec:
    return HealthSpec(endpoint=endpoint)


COMMAND = HealthSpec(command="true")
OWN = asked_at("http://127.0.0.1:8000/health")
OTHER = asked_at("http://127.0.0.1:9000/health")

OVERLAPS = [
    pytest.param(an_app(), HELD, id="held, and it has to accept there"),
    pytest.param(an_app(health=OWN), HELD, id="held, and asked there"),
    pytest.param(an_app(health=OTHER, ready=NOTIFY), HELD, id="held, and it says so itself"),
    pytest.param(an_app(health=COMMAND, ready=LINE), HELD, id="held, and it says so in its log"),
    pytest.param(
        an_app(health=asked_at("tcp://localhost:8000")), HELD, id="held, and asked by TCP"
    ),
    pytest.param(
        an_app(health=asked_at("unix:///run/a.sock")),
        Reached(held=(ListenSpec(path="/run/a.sock"),)),
        id="held, and asked at its Unix socket",
    ),
    pytest.param(
        an_app(health=OTHER),
        Reached(held=(WEB, ListenSpec(host="127.0.0.1", port=9000))),
        id="asked at the second of its addresses",
    ),
    pytest.param(an_app(ready=NOTIFY), UNHELD, id="no address, and it says so itself"),
    pytest.param(an_app(ready=LINE), UNHELD, id="no address, and it says so in its log"),
    pytest.param(
        an_app(ready=NOTIFY, health=COMMAND), UNHELD, id="no address, a command asks it as well"
    ),
]


@pytest.mark.parametrize(("spec", "reached"), OVERLAPS)
def test_two_may_run_side_by_side_where_the_newcomer_proves_itself(spec: AppSpec, reached: Reached):
    succession = succession_of(spec, reached)

    assert (succession.manner, succession.gap) == (ReloadManner.OVERLAP, "")
    assert succession.instead == ""


UNSURE = "clients wait while it restarts, as its health check does not tell which run answers"
ASK_IT = 'endpoint = "http://localhost:8000/…" under health_check, or reload = "overlap"'
NOT_HELD = "oxtrio does not hold its address"
HOLD_IT = 'listen = "127.0.0.1:{}", and ${{fd}} in the command where it takes one'

GAPS = [
    pytest.param(an_app(health=COMMAND), HELD, UNSURE, ASK_IT, id="held, asked by a command"),
    pytest.param(an_app(health=OTHER), HELD, UNSURE, ASK_IT, id="held, asked elsewhere"),
    pytest.param(
        an_app(health=asked_at("http://example.org:8000/")), HELD, UNSURE, ASK_IT, id="by a name"
    ),
    pytest.param(
        an_app(health=OWN),
        Reached(held=(WEB,), alone="a second gunicorn refuses to start"),
        "clients wait while it restarts, as a second gunicorn refuses to start",
        "",
        id="held, but two of it cannot be there",
    ),
    pytest.param(
        an_app(health=OWN),
        Reached(left_alone="granian has no way to take a socket over", instead="another server"),
        "granian has no way to take a socket over",
        "another server",
        id="a known server that is left alone",
    ),
    pytest.param(
        an_app(ready=NOTIFY),
        Reached(left_alone="it runs behind poetry", instead='venv = ".venv"'),
        "it runs behind poetry",
        'venv = ".venv"',
        id="left alone, although it says when it is ready",
    ),
    pytest.param(an_app(health=OTHER), UNHELD, NOT_HELD, HOLD_IT.format(9000), id="an endpoint"),
    pytest.param(
        an_app(health=asked_at("http://localhost/")), UNHELD, NOT_HELD, HOLD_IT.format(8000),
        id="an endpoint without a port",
    ),
    pytest.param(
        an_app(health=asked_at("http://localhost:99999/")), UNHELD, NOT_HELD, HOLD_IT.format(8000),
        id="an endpoint with an impossible port",
    ),
    pytest.param(an_app(port=5000), UNHELD, NOT_HELD, HOLD_IT.format(5000), id="a port"),
    pytest.param(
        an_app(port=5000, ready=NOTIFY), UNHELD, NOT_HELD, HOLD_IT.format(5000),
        id="a port, although it says when it is ready",
    ),
    pytest.param(
        an_app(ready=NOTIFY, health=OTHER), UNHELD, NOT_HELD, HOLD_IT.format(9000),
        id="an endpoint, although it says when it is ready",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reached", "gap", "instead"), GAPS)
def test_a_gap_is_explained_and_so_is_what_removes_it(
    spec: AppSpec, reached: Reached, gap: str, instead: str
):
    succession = succession_of(spec, reached)

    assert succession.manner is ReloadManner.RESTART
    assert (succession.gap, succession.instead) == (gap, instead)


@pytest.mark.parametrize(
    "spec",
    [
        an_app(),
        an_app(health=COMMAND),
        an_app("celery -A shop worker"),
        an_app("celery -A shop beat", ready=NOTIFY),
        an_app("venv/bin/celery -A shop worker -B", ready=LINE),
    ],
    ids=["nothing", "a command", "a worker", "beat", "beat inside a worker"],
)
def test_where_no_client_would_notice_it_is_restarted_without_a_word(spec: AppSpec):
    succession = succession_of(spec, UNHELD)

    assert (succession.manner, succession.gap) == (ReloadManner.RESTART, "")


@pytest.mark.parametrize("reached", [HELD, UNHELD, Reached(held=(WEB,), alone="x")], ids=str)
@pytest.mark.parametrize(
    "asked",
    [
        ReloadSpec(manner=ReloadManner.OVERLAP),
        ReloadSpec(manner=ReloadManner.RESTART),
        ReloadSpec(manner=ReloadManner.SIGNAL, signal=Signals.SIGHUP),
    ],
    ids=lambda spec: spec.manner,
)
def test_what_the_oxfile_asks_for_counts_and_is_no_gap(reached: Reached, asked: ReloadSpec):
    succession = succession_of(an_app(reload=asked, health=OTHER), reached)

    assert (succession.manner, succession.gap) == (asked.manner, "")


@pytest.mark.parametrize(
    ("command", "only_one"),
    [
        ("celery -A shop beat", True),
        ("/srv/venv/bin/celery -A shop beat -l info", True),
        (("celery", "-A", "shop", "beat"), True),
        ("celery -A shop worker -B", True),
        ("celery -A shop worker --beat", True),
        ("python -m celery -A shop beat", True),
        ("celery -A shop worker", False),
        ("celery -A beats worker", False),
        ("./beat", False),
        ("python beat.py", False),
    ],
)
def test_celery_beat_is_never_there_twice(command: str | tuple[str, ...], only_one: bool):
    assert is_only_one(an_app(command)) is only_one


ANY4 = ListenSpec(host="0.0.0.0", port=80)
ANY6 = ListenSpec(host="::", port=80)
DUAL = ListenSpec(host="::", port=80, dual_stack=True)
LOOP = ListenSpec(host="127.0.0.1", port=80)
LOOP6 = ListenSpec(host="::1", port=80)
LAN = ListenSpec(host="192.0.2.7", port=80)


@pytest.mark.parametrize(
    ("listen", "host", "same"),
    [
        (ANY4, "0.0.0.0", True),
        (ANY4, "127.0.0.1", True),
        (ANY4, "localhost", True),
        (ANY4, "::1", False),
        (ANY4, "example.org", False),
        (ANY6, "::1", True),
        (ANY6, "127.0.0.1", False),
        (DUAL, "127.0.0.1", True),
        (DUAL, "::1", True),
        (DUAL, "localhost", True),
        (LOOP, "127.0.0.1", True),
        (LOOP, "localhost", True),
        (LOOP, "::1", False),
        (LOOP6, "localhost", True),
        (LAN, "192.0.2.7", True),
        (LAN, "127.0.0.1", False),
        (LAN, "localhost", False),
    ],
    ids=str,
)
def test_whether_a_client_of_this_machine_means_this_address(
    listen: ListenSpec, host: str, same: bool
):
    assert is_at(listen, host, 80) is same
    assert not is_at(listen, host, 81)


@pytest.mark.parametrize(
    ("endpoint", "same"),
    [
        ("http://localhost/health", True),
        ("http://127.0.0.1:80/", True),
        ("http://[::1]:80/", False),
        ("https://localhost/", False),
        ("tcp://127.0.0.1:80", True),
        ("tcp://127.0.0.1:81", False),
        ("unix:///run/a.sock", False),
        ("http://localhost:eighty/", False),
        ("http://localhost:${port}/", False),
    ],
)
def test_whether_an_endpoint_is_this_address(endpoint: str, same: bool):
    assert asks_at(asked_at(endpoint), ANY4) is same


def test_a_command_asks_at_no_address():
    assert not asks_at(COMMAND, ANY4)


def test_a_unix_socket_is_no_tcp_address():
    assert not is_at(ListenSpec(path="/run/a.sock"), "", 0)
