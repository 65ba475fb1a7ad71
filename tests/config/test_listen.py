"""What is held for an app, and how it is reloaded."""

from signal import Signals

import pytest

from oxtrio.model.spec import ListenSpec, ReloadManner, ReloadSpec
from tests.config.reading import UNPRIVILEGED, app_of, app_problems, config_of


def listen_of(value: str, lines: str = "") -> tuple[ListenSpec, ...]:
    return app_of(f"{lines}\nlisten = {value}").listen


def problem_of(lines: str, **surroundings) -> str:
    """The one problem of the app, from its line on."""
    [problem] = app_problems(lines, **surroundings)
    return problem.removeprefix("oxfile.toml:")


def four(port: int, host: str = "0.0.0.0", **more: object) -> ListenSpec:
    return ListenSpec(host=host, port=port, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "spec"),
    [
        ("0.0.0.0:8000", four(8000)),
        (":8000", four(8000)),
        ("127.0.0.1:1", four(1, "127.0.0.1")),
        ("localhost:65535", four(65535, "127.0.0.1")),
        ("LocalHost:80", four(80, "127.0.0.1")),
        ("${BIND:-10.0.0.1}:8000", four(8000, "10.0.0.1")),
        ("[::1]:8000", ListenSpec(host="::1", port=8000)),
        ("[0:0::1]:8000", ListenSpec(host="::1", port=8000)),
        ("[::]:8000", ListenSpec(host="::", port=8000, dual_stack=True)),
        ("unix:/run/api.sock", ListenSpec(path="/run/api.sock")),
        ("unix:///run/api.sock", ListenSpec(path="/run/api.sock")),
        ("unix:run/api.sock", ListenSpec(path="/srv/shop/run/api.sock")),
        ("unix:./api.sock", ListenSpec(path="/srv/shop/api.sock")),
        ("unix:~/api.sock", ListenSpec(path="/home/ann/api.sock")),
        ("unix:${DIR:-/run}/a.sock", ListenSpec(path="/run/a.sock")),
        ("unix:a-${instance}.sock", ListenSpec(path="/srv/shop/a-${instance}.sock")),
        ("${WHOLE:-unix:/x.sock}", ListenSpec(path="/x.sock")),
    ],
)
def test_an_address_is_read(written, spec):
    assert listen_of(f"'{written}'") == (spec,)


def test_there_may_be_several_in_order():
    assert listen_of("['127.0.0.1:80', 'unix:/x', '127.0.0.1:81']") == (
        four(80, "127.0.0.1"),
        ListenSpec(path="/x"),
        four(81, "127.0.0.1"),
    )


def test_without_any_nothing_is_held():
    assert app_of("").listen == ()


TABLE = """address = "unix:/run/api.sock"
name = "web.1"
mode = "0600"
owner = "ann"
group = "www-data"
backlog = 5
"""
IN_FULL = ListenSpec(
    path="/run/api.sock", name="web.1", mode=0o600, owner="ann", group="www-data", backlog=5
)


@pytest.mark.parametrize(
    "text",
    [
        f"[processes.app.listen]\n{TABLE}",
        f"[[processes.app.listen]]\n{TABLE}",
        f"listen = {{ {', '.join(TABLE.splitlines())} }}",
        f"listen = [{{ {', '.join(TABLE.splitlines())} }}]",
    ],
)
def test_a_table_says_more(text):
    assert app_of(text).listen == (IN_FULL,)


def test_a_table_has_defaults():
    assert listen_of("{ address = 'unix:/x' }") == (ListenSpec(path="/x", mode=0o660),)


def test_strings_and_tables_can_be_mixed():
    listen = listen_of("[':80', { address = ':81', name = 'admin' }]")

    assert listen == (four(80), four(81, name="admin"))


@pytest.mark.parametrize("mode", ["'600'", "'0600'", "'0o600'", "0o600", "0o0600"])
def test_a_mode_is_octal(mode):
    [spec] = listen_of(f"{{ address = 'unix:/x', mode = {mode} }}")

    assert spec.mode == 0o600


@pytest.mark.parametrize("mode", ["440", "660", "'0999'", "-1", "true", "0o1000", "'rw'"])
def test_a_mode_that_is_not_octal_is_refused(mode):
    problem = problem_of(f"listen = {{ address = 'unix:/x', mode = {mode} }}")

    assert problem.startswith("3: processes.app.listen: mode must be octal")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("8000", 'must have a host in front of the port, is 8000 ("127.0.0.1:8000" is this machine'
         ' only, "0.0.0.0:8000" every one that reaches it)'),
        ("'8000'", "must have a host in front of the port, is 8000 ("),
        ("[8000]", "must have a host in front of the port, is 8000 ("),
        ("0", 'must be an address such as "0.0.0.0:8000"'),
        ("true", 'must be an address such as "0.0.0.0:8000"'),
        ("''", 'must be an address such as "0.0.0.0:8000"'),
        ("[]", 'must be an address such as "0.0.0.0:8000"'),
        ("80.5", 'must be an address such as "0.0.0.0:8000"'),
        ("[['x']]", 'must be an address such as "0.0.0.0:8000"'),
        ("'0.0.0.0'", 'must end with a port, is "0.0.0.0" (such as "0.0.0.0:8000")'),
        ("'0.0.0.0:'", 'must end with a port, is "0.0.0.0:" (such as "0.0.0.0:8000")'),
        ("'0.0.0.0:http'", "must end with a port"),
        ("'0.0.0.0:0'", 'must have a port from 1 to 65535, is "0.0.0.0:0"'),
        ("'0.0.0.0:65536'", "must have a port from 1 to 65535"),
        ("'0.0.0.0:-1'", "must end with a port"),
        ("'api.example.com:80'", 'must have an IP address in front of the port, is "api.example'),
        ("'api.example.com:80'", '("127.0.0.1:80" is this machine only, "0.0.0.0:80" every one'),
        ("'*:80'", "must have an IP address in front of the port"),
        ("'127.1:80'", "must have an IP address in front of the port"),
        ("'256.0.0.1:80'", "must have an IP address in front of the port"),
        ("'::1:80'", 'must have an IPv6 address in brackets and a port, is "::1:80" '
         '(such as "[::1]:80")'),
        ("'[127.0.0.1]:80'", "must have an IPv6 address between its brackets"),
        ("'[]:80'", "must have an IPv6 address between its brackets"),
        ("'[fe80::1%eth0]:80'", "must have a plain IPv6 address"),
        ("'[::ffff:127.0.0.1]:80'", "must have a plain IPv6 address"),
        ("'http://0.0.0.0:80/'", 'must be an address without a scheme, is "http://0.0.0.0:80/" '
         '(such as "0.0.0.0:80")'),
        ("'/run/x.sock'", 'must begin with unix:, is "/run/x.sock" (such as "unix:/run/x.sock")'),
        ("'unix:'", "must name a socket file"),
        ("'unix:/run/'", "must name a socket file"),
        ("'unix:@abstract'", "an abstract socket cannot be held"),
        ("'unix://run/x.sock'", 'must not begin with unix://, is "unix://run/x.sock" '
         '(such as "unix:/run/x.sock")'),
        (f"'unix:/{'x' * 107}'", "must name a socket file of at most 107 bytes"),
        ("'unix:/${MISSING}'", "cannot be expanded: ${MISSING} is not set"),
        ("':${port}'", "cannot be expanded: ${port} needs the key port, such as port = 8000"),
        ("':${fd}'", "cannot be expanded: ${fd} does not serve here"),
        ("':800${instance}'", "cannot contain ${instance}: all instances share one TCP address"),
        ("[':80', '0.0.0.0:80']", "has 0.0.0.0:80 twice"),
        ("['unix:/x', 'unix:/y/../x']", "has both unix:/x and unix:/y/../x, which overlap"),
        ("[':80', '127.0.0.1:80']", "has both 0.0.0.0:80 and 127.0.0.1:80, which overlap"),
        ("['127.0.0.1:80', ':80']", "has both 127.0.0.1:80 and 0.0.0.0:80, which overlap"),
        ("['[::]:80', '[::1]:80']", "has both [::]:80 and [::1]:80, which overlap"),
        (str([f":{port}" for port in range(1, 8)]), "has 7 addresses, more than 6"),
        (
            "[{ address = ':80', name = 'a' }, { address = ':81', name = 'a' }]",
            'has two addresses with the name "a"',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_refused(value, what):
    problem = problem_of(f"listen = {value}")

    assert problem.startswith("3: processes.app: listen ")
    assert what in problem


def test_six_addresses_are_not_too_many():
    assert len(listen_of(str([f":{port}" for port in range(1, 7)]))) == 6


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("name = 'x'", "listen: address is missing"),
        ("address = ''", "listen: address must be a string that is not empty"),
        ("address = 5", "listen: address must be a string"),
        ("address = '80'", "listen: address must have a host in front of the port, is 80"),
        ("address = ':80', mode = '0600'", "listen: mode has a meaning only for a Unix socket"),
        ("address = ':80', owner = 'x'", "listen: owner has a meaning only for a Unix socket"),
        ("address = ':80', group = 'x'", "listen: group has a meaning only for a Unix socket"),
        ("address = ':80', backlog = 0", "listen: backlog must be an integer from 1"),
        ("address = ':80', name = 'a:b'", "listen: name must be a name: letters, digits and _ . -"),
        ("address = ':80', name = ''", "listen: name must be a name"),
        ("address = ':80', adress = ''", "listen: unknown key adress (did you mean address?)"),
    ],
)
def test_what_is_wrong_in_a_table_is_told(table, what):
    problem = problem_of(f"listen = {{ {table} }}")

    assert problem.startswith(f"3: processes.app.{what}")


def test_what_is_wrong_in_the_second_table_has_its_line():
    problem = problem_of(
        "[[processes.app.listen]]\naddress = ':80'\n[[processes.app.listen]]\naddress = '81'\n"
    )

    assert problem.startswith("6: processes.app.listen.1: address must have a host")


def test_only_root_gives_a_socket_away():
    lines = "listen = { address = 'unix:/x', owner = 'ann', group = 'ann' }"

    assert app_of(lines).listen[0].owner == "ann"
    assert problem_of(lines, facts=UNPRIVILEGED) == (
        "3: processes.app.listen: owner can only be set by root "
        "(start oxtrio as root, or remove it)"
    )


@pytest.mark.parametrize(
    ("value", "dual"),
    [
        ("['[::]:80']", [True]),
        ("['[::]:80', '0.0.0.0:81']", [True, False]),
        ("['[::]:80', '0.0.0.0:80']", [False, False]),
        ("['127.0.0.1:80', '[::]:80']", [False, False]),
        ("['[::1]:80']", [False]),
    ],
)
def test_ipv6_serves_ipv4_too_where_nothing_else_does(value, dual):
    assert [spec.dual_stack for spec in listen_of(value)] == dual


class TestSeveralInstances:
    @pytest.mark.parametrize("instances", ["2", "'max'"])
    def test_they_cannot_share_a_unix_socket(self, instances):
        problem = problem_of(f"instances = {instances}\nlisten = 'unix:x'")

        assert problem == (
            "4: processes.app: listen has one Unix socket for several instances: "
            "unix:/srv/shop/x (put ${instance} into its path, or let one instance of the server "
            "have workers)"
        )

    def test_each_can_have_its_own(self):
        assert listen_of("'unix:/x${instance}'", "instances = 2") == (
            ListenSpec(path="/x${instance}"),
        )

    def test_the_path_of_the_last_one_must_not_be_too_long(self):
        path = f"unix:/{'x' * 105}${{instance}}"

        assert listen_of(f"'{path}'", "instances = 10")
        assert "at most 107 bytes" in problem_of(f"instances = 11\nlisten = '{path}'")

    def test_they_share_a_tcp_address(self):
        assert listen_of("':80'", "instances = 'max'") == (four(80),)


class TestPort:
    def test_it_is_read_and_fills_addresses(self):
        app = app_of("port = 8000\nlisten = [':${port}', 'unix:/run/${port}.sock']")

        assert app.port == 8000
        assert app.listen == (four(8000), ListenSpec(path="/run/8000.sock"))

    @pytest.mark.parametrize("port", ["0", "65536", "'80'", "true", "80.0"])
    def test_what_is_none_is_told_once(self, port):
        problem = problem_of(f"listen = ':${{port}}'\nport = {port}")

        assert problem.startswith("4: processes.app: port must be an integer from 1 to 65535")

    def test_each_instance_has_one_of_its_own(self):
        assert app_of("port = 65533\ninstances = 3").port == 65533
        assert problem_of("port = 65534\ninstances = 3") == (
            "3: processes.app: port is too high: that of the last of 3 instances would be 65536, "
            "and the highest is 65535"
        )
        assert "of 3 instances" in problem_of("port = 65535\ninstances = 'max'")

    def test_but_they_share_what_is_held(self):
        assert app_of("port = 65535\ninstances = 3\nlisten = ':${port}'").port == 65535


def test_holding_can_be_turned_off_for_known_servers():
    assert app_of("").hold_port
    assert app_of("hold_port = true\nlisten = ':80'").hold_port
    assert not app_of("hold_port = false").hold_port
    assert problem_of("hold_port = false\nlisten = ':80'") == (
        "3: processes.app: hold_port = false stands beside listen, which is held: keep one of them"
    )


class TestReload:
    @pytest.mark.parametrize(
        ("lines", "spec"),
        [
            ("", ReloadSpec()),
            ("reload = 'overlap'", ReloadSpec(manner=ReloadManner.OVERLAP)),
            ("reload = 'restart'", ReloadSpec(manner=ReloadManner.RESTART)),
            (
                "reload = { signal = 'hup' }\nreload_parallel = 3",
                ReloadSpec(manner=ReloadManner.SIGNAL, signal=Signals.SIGHUP, parallel=3),
            ),
        ],
    )
    def test_its_manner_is_read(self, lines, spec):
        assert app_of(lines).reload == spec

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("reload = 'signal'", 'must be "overlap" or "restart", or a table { signal ='),
            ("reload = true", 'must be "overlap" or "restart", or a table { signal = "SIGHUP" }'),
            ("reload = {}", 'must be "overlap" or "restart", or a table'),
            ("reload = { signal = 'HUP', to = 'main' }", 'must be "overlap" or "restart", or'),
            ("reload = { signal = 'SIGHUB' }", "must have the name of a signal"),
            ("reload = { signal = 'SIGHUB' }", "(did you mean SIGHUP?)"),
            ("reload_parallel = 0", "must be an integer from 1 to 10000, is 0"),
        ],
    )
    def test_anything_else_is_refused(self, line, what):
        problem = problem_of(line)

        assert problem.startswith(f"3: processes.app: {line.partition(' ')[0]} ")
        assert what in problem


def test_a_change_of_what_is_held_is_a_change_of_the_spec():
    text = "[processes.app]\ncommand = 'x'\nlisten = '{}'"

    assert config_of(text.format(":80")).apps == config_of(text.format("0.0.0.0:80")).apps
    assert config_of(text.format(":80")).apps != config_of(text.format(":81")).apps
