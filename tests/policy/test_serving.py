"""What a run is launched with because of the addresses that it serves."""

import pytest

from oxtrio.model.spec import AppSpec, HealthSpec, ListenSpec, ReloadManner, ReloadSpec
from oxtrio.policy.serving import Serving, numbered, serving_of, without_holding

WEB = ListenSpec(host="0.0.0.0", port=8000)
ADMIN = ListenSpec(host="127.0.0.1", port=9000, name="admin")
ENV = {"PATH": "/usr/bin:/bin"}
UVICORN = "uvicorn main:app --port 8000"


def an_app(command: str | tuple[str, ...], **rest: object) -> AppSpec:
    return AppSpec(name="api", command=command, working_dir="/", **rest)  # type: ignore[arg-type]


def serve(spec: AppSpec, instance: int = 0, *files: str, **env: str) -> Serving:
    def environ(port: int | None) -> dict[str, str]:
        return ENV | env | ({} if port is None else {"PORT": str(port)})

    return serving_of(spec, instance, environ, lambda name: name in files)


# Placeholders.


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("serve ${instance}", "serve 2"),
        ("serve --port ${port}", "serve --port 5000"),
        ("serve ${fd}", "serve 3"),
        ("serve ${fd:admin} ${fd}", "serve 4 3"),
        ("serve ${fd:1} ${fd:0}", "serve 4 3"),
        ("serve ${fd:nobody} ${fd:2}", "serve ${fd:nobody} ${fd:2}"),
        ("serve $fd $HOME ${HOME} $${fd}", "serve $fd $HOME ${HOME} $3"),
        (("serve", "--fd=${fd}", "${instance}"), ("serve", "--fd=3", "2")),
    ],
)
def test_placeholders_of_a_held_app_are_replaced(
    command: str | tuple[str, ...], expected: str | tuple[str, ...]
):
    assert serve(an_app(command, listen=(WEB, ADMIN), port=5000), 2).command == expected


def test_without_a_held_address_a_descriptor_means_nothing():
    assert serve(an_app("serve ${fd} ${fd:admin}")).command == "serve ${fd} ${fd:admin}"


def test_without_a_port_its_placeholder_stays():
    assert numbered("serve ${port} ${instance}", 1, None) == "serve ${port} 1"


def test_a_unix_socket_has_the_number_of_its_instance_in_its_path():
    listen = ListenSpec(path="/run/api-${instance}.sock")

    assert [each.path for each in serve(an_app("x", listen=(listen,)), 3).listens] == [
        "/run/api-3.sock"
    ]


# The port.


def test_the_port_is_the_same_for_all_instances_where_the_address_is_held():
    spec = an_app("serve --port ${port}", listen=(WEB,), port=8000, instances=3)

    for instance in range(3):
        serving = serve(spec, instance)
        assert (serving.port, serving.command) == (8000, "serve --port 8000")


def test_the_port_counts_up_where_the_address_is_not_held():
    spec = an_app("serve --port ${port}", port=8000, instances=3)

    assert [serve(spec, each).port for each in range(3)] == [8000, 8001, 8002]
    assert serve(spec, 2).command == "serve --port 8002"


def test_a_known_server_on_the_given_port_is_held_there():
    serving = serve(an_app("uvicorn main:app --port $PORT", port=5000, instances=2), 1)

    assert [str(each) for each in serving.listens] == ["127.0.0.1:5000"]
    assert serving.port == 5000


def test_a_known_server_that_is_not_held_has_a_port_of_its_own_for_each_instance():
    spec = an_app("uvicorn main:app --port ${port}", port=5000, instances=2, hold_port=False)
    serving = serve(spec, 1)

    assert (serving.listens, serving.port) == ((), 5001)
    assert serving.command == "uvicorn main:app --port 5001"


# An address that the oxfile has.


def test_who_has_an_address_in_the_oxfile_is_told_by_listen_fds():
    serving = serve(an_app("serve", listen=(WEB, ADMIN)))

    assert (serving.listens, serving.listen_fds, serving.certain) == ((WEB, ADMIN), True, True)
    assert serving.env == ()
    assert serving.succession.manner is ReloadManner.OVERLAP


def test_a_known_server_on_an_address_of_the_oxfile_is_told_in_its_own_way():
    serving = serve(an_app("uvicorn main:app", listen=(WEB,)))

    assert serving.env == (("UVICORN_FD", "3"),)
    assert serving.command == "uvicorn main:app"


def test_a_known_server_whose_command_names_the_descriptor_is_told_no_more():
    serving = serve(an_app("uvicorn main:app --fd ${fd}", listen=(WEB,)))

    assert (serving.env, serving.command) == ((), "uvicorn main:app --fd 3")


def test_a_command_that_cannot_be_read_is_no_matter_where_the_oxfile_has_the_address():
    serving = serve(an_app("bash -c 'cd x && uvicorn main:app --fd 3'", listen=(WEB,)))

    assert (serving.listens, serving.env) == ((WEB,), ())
    assert serving.succession.gap == ""


def test_an_address_of_the_oxfile_is_held_whatever_hold_port_says():
    assert serve(an_app("serve", listen=(WEB,), hold_port=False)).listens == (WEB,)


# Servers that are known.


def test_uvicorn_is_held_where_its_command_says_so():
    serving = serve(an_app(UVICORN))

    assert [str(each) for each in serving.listens] == ["127.0.0.1:8000"]
    assert (serving.env, serving.listen_fds) == ((("UVICORN_FD", "3"),), False)
    assert (serving.command, serving.certain) == (UVICORN, False)
    assert serving.succession.manner is ReloadManner.OVERLAP


def test_gunicorn_is_told_by_listen_fds():
    serving = serve(an_app("gunicorn app:app -b 0.0.0.0:8000 -b 127.0.0.1:8001"))

    assert [str(each) for each in serving.listens] == ["0.0.0.0:8000", "127.0.0.1:8001"]
    assert (serving.env, serving.listen_fds) == ((), True)


def test_hypercorn_is_told_by_its_command_where_the_oxfile_says_the_address():
    spec = an_app("hypercorn main:app", listen=(ListenSpec(host="127.0.0.1", port=8000),))

    assert "fd://3" in serve(spec).command


def test_hypercorn_is_told_by_its_command():
    serving = serve(an_app("hypercorn main:app --bind 127.0.0.1:8000"))

    assert serving.command == "hypercorn main:app --bind fd://3"


def test_one_that_cannot_run_twice_restarts_while_its_clients_wait():
    serving = serve(an_app("gunicorn app:app --pid /run/g.pid --bind 127.0.0.1:8000"))

    assert len(serving.listens) == 1
    assert serving.succession.manner is ReloadManner.RESTART
    assert serving.succession.gap.startswith("clients wait while it restarts, as a second gunicorn")


@pytest.mark.parametrize(
    "health",
    [None, HealthSpec(endpoint="http://localhost:8000/health")],
    ids=["no check", "asked there"],
)
def test_a_known_server_that_is_asked_where_it_listens_can_overlap(health: HealthSpec | None):
    assert serve(an_app(UVICORN, health=health)).succession.manner is ReloadManner.OVERLAP


def test_a_known_server_that_is_asked_elsewhere_restarts_while_its_clients_wait():
    serving = serve(an_app(UVICORN, health=HealthSpec(endpoint="http://localhost:9/")))

    assert serving.succession.manner is ReloadManner.RESTART
    assert "clients wait" in serving.succession.gap


def test_hold_port_turns_holding_off_and_the_gap_is_explained():
    serving = serve(an_app(UVICORN, hold_port=False))

    assert (serving.listens, serving.env, serving.listen_fds) == ((), (), False)
    assert serving.succession.manner is ReloadManner.RESTART
    assert "hold_port = false" in serving.succession.gap
    assert serving.succession.instead == "hold_port = true"


def test_a_server_that_is_left_alone_is_run_as_it_is_and_the_gap_is_explained():
    command = "granian main:app --port 8000"
    serving = serve(an_app(command))

    assert (serving.command, serving.listens, serving.env) == (command, (), ())
    assert serving.succession.manner is ReloadManner.RESTART
    assert serving.succession.gap == "granian has no way to take a socket over"
    assert serving.succession.instead


def test_several_instances_do_not_share_a_unix_socket_of_a_server():
    one, two = (an_app("gunicorn app:app -b unix:/run/g.sock", instances=n) for n in (1, 2))

    assert [each.path for each in serve(one).listens] == ["/run/g.sock"]
    serving = serve(two)
    assert serving.listens == ()
    assert serving.succession.gap == "several instances cannot share a Unix socket"
    assert serving.succession.instead


def test_an_unknown_program_is_nobodys_business():
    serving = serve(an_app("python worker.py"))

    assert (serving.listens, serving.succession.gap) == ((), "")
    assert serving.succession.manner is ReloadManner.RESTART


# Where an address could not be held after all.


def test_what_could_not_be_held_is_run_as_by_hand_and_the_gap_is_explained():
    spec = an_app("hypercorn main:app --bind 127.0.0.1:${port}", port=8000)
    serving = without_holding(serve(spec, 1), spec, 1, "permission denied")

    assert serving.command == "hypercorn main:app --bind 127.0.0.1:8001"
    assert (serving.listens, serving.env, serving.port) == ((), (), 8001)
    assert serving.succession.gap == "its address cannot be held: permission denied"


def test_what_could_not_be_held_is_replaced_as_the_oxfile_asks_all_the_same():
    spec = an_app(UVICORN, reload=ReloadSpec(manner=ReloadManner.OVERLAP))

    assert without_holding(serve(spec), spec, 0, "x").succession.manner is ReloadManner.OVERLAP
