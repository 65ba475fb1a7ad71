import pytest

from oxtrio.cli.main import main
from oxtrio.cli.target import Target
from oxtrio.errors import ConfigError
from oxtrio.model.spec import AppSpec, Config


def complete(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str):
    """What bash would offer at the end of *line*."""
    monkeypatch.setenv("_OXTRIO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    return capfd.readouterr().out.split()


@pytest.fixture
def oxfile(monkeypatch) -> list[Target]:
    """An oxfile with three apps; the targets for which it was read."""
    seen: list[Target] = []

    def config(target: Target) -> Config:
        seen.append(target)
        apps = [AppSpec(name=name, command="x", working_dir="/") for name in ("api", "app", "db")]
        return Config(files=("/oxfile.toml",), apps=tuple(apps))

    monkeypatch.setattr(Target, "config", config)
    return seen


def test_commands_are_completed(monkeypatch, capfd):
    assert complete(monkeypatch, capfd, "oxtrio st") == ["start", "stop", "status"]


def test_names_of_apps_are_completed(monkeypatch, capfd, oxfile):
    assert complete(monkeypatch, capfd, "oxtrio restart a") == ["api", "app"]
    assert complete(monkeypatch, capfd, "oxtrio why d") == ["db"]


def test_names_come_from_the_oxfile_that_is_given(monkeypatch, capfd, oxfile):
    complete(monkeypatch, capfd, "oxtrio -c dev.toml restart a")

    assert oxfile == [Target(("dev.toml",), None)]


def test_a_broken_oxfile_offers_nothing(monkeypatch, capfd):
    def broken(target: Target) -> Config:
        raise ConfigError("broken")

    monkeypatch.setattr(Target, "config", broken)

    assert complete(monkeypatch, capfd, "oxtrio restart a") == []
