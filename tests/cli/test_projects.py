import json
from pathlib import Path

import pytest

from oxtrio.project import folders
from oxtrio.project.folders import RunningProject

OXFILE = """
[processes.api]
command = "sleep 1000"
instances = 2
stop_timeout_ms = 30000

[processes.worker]
command = "sleep 1000"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, from which nothing of this machine is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OXTRIO_HOME", str(tmp_path / "oxtrio"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_a_valid_oxfile(oxtrio, home: Path):
    (home / "oxfile.toml").write_text(OXFILE)

    code, out, _ = oxtrio("validate")

    assert code == 0
    assert out == (
        "✓ oxfile.toml is valid\n2 processes defined: api, worker\na full stop takes at most 30 s\n"
    )


def test_one_process_is_one_process(oxtrio, home: Path):
    (home / "dev.toml").write_text('[processes.api]\ncommand = "sleep 1"\n')

    _, out, _ = oxtrio("validate", "-c", "dev.toml")

    assert out.startswith("✓ dev.toml is valid\n1 process defined: api\n")


def test_what_is_missing_is_a_warning(oxtrio, home: Path):
    (home / "oxfile.toml").write_text('[processes.api]\ncommand = "no-such-program"\n')

    code, _, err = oxtrio("validate")

    assert code == 0
    assert "warning: api: command not found: no-such-program\n" in err
    assert "error" not in err


def test_with_strict_what_is_missing_is_an_error(oxtrio, home: Path):
    (home / "oxfile.toml").write_text('[processes.api]\ncommand = "no-such-program"\n')

    code, out, err = oxtrio("validate", "--strict")

    assert (code, out) == (2, "")
    assert "oxfile.toml: api: command not found: no-such-program\n" in err
    assert err.splitlines()[-1] == "error: oxfile.toml is not valid with --strict"


def test_every_problem_has_its_line(oxtrio, home: Path):
    (home / "oxfile.toml").write_text("[processes.api]\ncomand = 1\ninstances = 0\n")

    code, out, err = oxtrio("validate")

    *problems, last = err.splitlines()
    assert (code, out) == (2, "")
    assert len(problems) >= 2
    assert all("oxfile.toml:" in problem for problem in problems)
    assert last.startswith("error: ")


@pytest.mark.parametrize("verb", ["validate", "status", "start", "run", "logs"])
def test_without_an_oxfile_that_is_said(oxtrio, home: Path, verb: str):
    code, out, err = oxtrio(verb)

    assert (code, out) == (2, "")
    assert err.startswith("error: no oxfile.toml in ")
    assert "\nhint: " in err


@pytest.mark.parametrize(
    ("words", "code"),
    [(("status",), 3), (("status", "--json"), 3), (("status", "--ready"), 3), (("logs",), 3)]
    + [(("restart",), 3), (("why", "api"), 3), (("events",), 3), (("stop",), 0)],
)
def test_without_a_supervisor_it_is_not_running(oxtrio, home: Path, words, code: int):
    (home / "oxfile.toml").write_text(OXFILE)

    found, out, err = oxtrio(*words)

    assert found == code
    assert out == ("[]\n" if "--json" in words else "")
    assert "not running" in err


def test_a_dry_run_starts_nothing(oxtrio, home: Path):
    (home / "oxfile.toml").write_text(OXFILE)

    assert oxtrio("start", "--dry-run") == (0, "Would start: api (×2 instances), worker\n", "")
    assert not (home / "oxtrio").exists()


def test_the_schema_is_json(oxtrio):
    code, out, err = oxtrio("schema")

    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "oxfile.toml"


def test_no_running_project_is_an_empty_list(oxtrio, home: Path):
    assert oxtrio("ls") == (0, "PROJECT  PID  APPS  OXFILE\n", "")
    assert oxtrio("ls", "--json") == (0, "[]\n", "")


def test_running_projects_are_listed(oxtrio, monkeypatch):
    shop = RunningProject(
        id="shop-00000000",
        name="shop",
        identity="shop",
        files=("/srv/shop/oxfile.toml",),
        pid=4242,
        apps=3,
    )
    monkeypatch.setattr(folders, "running", lambda environ: [shop])

    assert oxtrio("ls")[1] == (
        "PROJECT  PID   APPS  OXFILE\nshop     4242  3     /srv/shop/oxfile.toml\n"
    )
    assert json.loads(oxtrio("ls", "--json")[1])[0]["files"] == ["/srv/shop/oxfile.toml"]
