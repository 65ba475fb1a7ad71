"""The command line on a scripted supervisor."""

from collections.abc import Callable

import pytest

from oxtrio.cli.main import main
from oxtrio.cli.target import Target
from tests.cli.scripted import ScriptedClient


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the terminal, colours or oxfile of whoever runs it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "OXTRIO_DEBUG", "OXTRIO_CONFIG", "_OXTRIO_COMPLETE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    """The supervisor that every command of the test talks to."""
    scripted = ScriptedClient()
    monkeypatch.setattr(Target, "client", lambda target: scripted)
    monkeypatch.setattr(Target, "is_running", lambda target: True)
    monkeypatch.setattr(Target, "comes_back", lambda target: False)
    return scripted


@pytest.fixture
def oxtrio(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs one command: exit code, stdout, stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capfd.readouterr()
        return code, out, err

    return call
