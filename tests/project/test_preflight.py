"""What an oxfile names and the machine does not have."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from oxtrio.config.load import load
from oxtrio.model.facts import Facts, Source
from oxtrio.model.spec import Config
from oxtrio.project.preflight import findings, longest_stop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("bin", ".venv/bin", "env/bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("bin/serve", ".venv/bin/uvicorn", "env/bin/celery"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plain").write_text("")
    return tmp_path


def config_of(shop: Path, text: str) -> Config:
    facts = Facts(environ={}, home="/", root=True)
    return load([Source(str(shop / "oxfile.toml"), text)], facts)


def found(shop: Path, lines: str) -> list[str]:
    config = config_of(shop, f"[processes.app]\n{lines}")
    return [str(finding) for finding in findings(config, {"PATH": f"{shop}/bin:/bin"})]


@pytest.mark.parametrize(
    "lines",
    [
        "command = 'serve x'",
        "command = ['serve', 'x']",
        "command = 'A=1 serve'",
        "command = 'bin/serve'",
        "command = './bin/serve'",
        "command = '${PROGRAM} x'",
        "command = 'no-such-thing && x'",
        "command = 'PATH=/x no-such-thing'",
        "command = 'celery'\nvenv = 'env'",
        "command = 'celery'\nenv = { PATH = 'env/bin' }",
        "command = 'serve'\nworking_dir = '/'",
        "command = 'echo hi'",
    ],
)
def test_what_is_there_or_only_the_shell_knows_is_no_finding(shop, lines):
    assert found(shop, lines) == []


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        ("command = 'no-such-thing x'", "app: command not found: no-such-thing"),
        ("command = ['no-such-thing']", "app: command not found: no-such-thing"),
        ("command = 'bin/gone'", "app: 'bin/gone' does not exist"),
        ("command = '/gone/x'", "app: '/gone/x' does not exist"),
        (
            "command = 'uvicorn main:app'",
            "app: command not found: uvicorn (.venv/bin/uvicorn exists: add "
            'venv = ".venv" to [processes.app])',
        ),
        (
            "command = 'serve'\nhealth_check = { command = 'check' }",
            "app: command not found: check",
        ),
        ("command = 'serve'\ninherit_env = []", "app: command not found: serve"),
        ("command = 'serve'\nuser = 'nobody-here'", "app: user 'nobody-here' does not exist"),
        ("command = 'serve'\nuser = '424242'", "app: user '424242' does not exist"),
        ("command = 'serve'\nuser = '99999999999'", "app: user '99999999999' does not exist"),
        ("command = 'serve'\ngroup = 'none-here'", "app: group 'none-here' does not exist"),
        ("command = 'serve'\ngroups = ['none-here']", "app: group 'none-here' does not exist"),
    ],
)
def test_what_is_missing_is_found(shop, lines, finding):
    assert found(shop, lines) == [finding]


def test_a_program_that_is_not_executable_is_told_apart(shop):
    assert found(shop, "command = './plain'") == [
        f"app: './plain' is not executable (chmod +x {shop}/./plain)"
    ]
    assert found(shop, "command = './bin'") == [
        f"app: './bin' is not executable (chmod +x {shop}/./bin)"
    ]


def test_a_virtual_environment_elsewhere_is_named_in_full(shop, tmp_path):
    (shop / "sub" / "venv" / "bin").mkdir(parents=True)
    (shop / "sub" / "venv" / "bin" / "flask").write_text("")
    (shop / "sub" / "venv" / "bin" / "flask").chmod(0o755)

    [finding] = found(shop, "command = 'flask'\nworking_dir = 'sub'")

    assert f'add venv = "{shop}/sub/venv" to [processes.app]' in finding


def test_folders_are_looked_at(shop, monkeypatch):
    assert found(shop, "command = 'serve'\nworking_dir = '/gone'") == [
        "app: working_dir '/gone' does not exist"
    ]
    assert found(shop, "command = 'serve'\nworking_dir = 'plain'") == [
        f"app: working_dir '{shop}/plain' is not a folder"
    ]
    assert found(shop, "command = 'serve'\nvenv = '/gone'") == [
        "app: venv '/gone': its folder bin does not exist (python3 -m venv /gone)"
    ]
    assert found(shop, "command = 'serve'\nvenv = 'sub'") == [
        f"app: venv '{shop}/sub': its folder bin does not exist (python3 -m venv {shop}/sub)"
    ]


def test_one_that_cannot_be_entered_is_told(shop, monkeypatch):
    access = os.access
    monkeypatch.setattr(
        "oxtrio.project.preflight.os.access",
        lambda path, mode: path != str(shop) and access(path, mode),
    )

    assert found(shop, "command = 'serve'") == [f"app: working_dir '{shop}' cannot be entered"]


def test_users_and_groups_that_exist_are_fine(shop):
    user, group = pwd.getpwuid(0).pw_name, grp.getgrgid(0).gr_name

    assert found(shop, f"command = 'serve'\nuser = '{user}'\ngroup = '{group}'") == []
    assert found(shop, "command = 'serve'\nuser = '0'\ngroups = ['12345']") == []


def test_what_a_unix_socket_needs_is_looked_at(shop):
    socket = f"unix:{shop}/gone/x${{instance}}"

    assert found(shop, "command = 'serve'\nlisten = ['unix:bin/x', '127.0.0.1:1']") == []
    assert found(shop, f"command = 'serve'\nlisten = '{socket}'") == [
        f"app: listen '{socket}': its folder does not exist"
    ]
    assert found(
        shop,
        "command = 'serve'\n"
        "listen = { address = 'unix:bin/x', owner = 'nobody-here', group = 'none-here' }",
    ) == [
        f"app: listen 'unix:{shop}/bin/x': user 'nobody-here' does not exist",
        f"app: listen 'unix:{shop}/bin/x': group 'none-here' does not exist",
    ]


def test_env_files_are_read(shop):
    (shop / "broken.env").write_text("A=1\nwhat is this\n")
    (shop / "path.env").write_text(f"PATH={shop}/env/bin\n")

    assert found(shop, "command = 'celery'\nenv_file = 'path.env'") == []
    assert found(shop, "command = 'serve'\nenv_file = ['gone.env', 'broken.env']") == [
        f"app: cannot read env_file {shop}/gone.env: no such file or directory",
        f"app: {shop}/broken.env:2: is no NAME=value",
    ]


class TestLongestStop:
    def test_apps_stop_together_but_after_those_that_depend_on_them(self, shop):
        config = config_of(
            shop,
            "[processes.a]\ncommand='x'\nstop_timeout_ms = 3000\ndepends_on = ['c']\n"
            "[processes.b]\ncommand='x'\nstop_timeout_ms = 5000\ndepends_on = ['c']\n"
            "[processes.c]\ncommand='x'\nstop_timeout_ms = 2000\n"
            "[processes.alone]\ncommand='x'\nstop_timeout_ms = 6500\n",
        )

        assert longest_stop(config) == 7.0

    @pytest.mark.parametrize(("bound", "longest"), [(4000, 4.0), (60000, 10.0)])
    def test_a_bound_of_the_project_bounds_it(self, shop, bound, longest):
        text = f"[processes.a]\ncommand='x'\n[supervisor]\nstop_timeout_ms = {bound}"

        assert longest_stop(config_of(shop, text)) == longest
