"""examples/container: what its Dockerfile says, done without an engine."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import httpx
import pytest

from oxtrio.config.load import load
from oxtrio.model.facts import Facts, Source
from oxtrio.project.preflight import longest_stop
from tests.e2e.container import Container, Manner
from tests.e2e.kit import Ox, needs_root
from tests.e2e.stack import free_port

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "container"
UNDER_DOCKER = Manner(user=True, read_only=True)
"""`docker run --read-only --cap-drop ALL`, with its `USER`."""

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """The lines of the Dockerfile: what each does, and with what."""
    text = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last(word: str) -> str:
    """What the instruction *word* says in the end."""
    return [rest for each, rest in instructions() if each == word][-1]


def words_of(text: str) -> list[str]:
    """A command in the form that needs no shell, which would be PID 1 and keep the signals."""
    words = json.loads(text[text.index("[") :])
    assert all(isinstance(each, str) for each in words)
    return words


def seconds_to_stop() -> float:
    text = (FOLDER / "oxfile.toml").read_text()
    facts = Facts(environ={}, home="/", root=False)
    return longest_stop(load([Source("/app/oxfile.toml", text)], facts))


def test_what_it_copies_is_there_and_nothing_that_an_app_needs_is_forgotten():
    copied: set[Path] = set()
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            *sources, _ = shlex.split(rest)
            for source in sources:
                found = set(ROOT.glob(source))
                assert found, f"{source} does not exist"
                copied |= found

    needed = {path for path in FOLDER.iterdir() if path.suffix in {".py", ".toml"}}
    assert needed <= copied
    assert {ROOT / "oxtrio", ROOT / "pyproject.toml"} <= copied
    # What the build of a package reads.
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {ROOT / package["readme"], *(ROOT / each for each in package["license-files"])} <= copied


def test_its_user_is_not_root_and_its_python_is_new_enough():
    assert int(last("USER")) > 0, "a number, so that Kubernetes can see that it is not root"
    assert [rest for word, rest in instructions() if word == "FROM"] == [
        "python:3.12-slim AS build",
        "python:3.12-slim",
    ]
    assert last("EXPOSE") in (FOLDER / "oxfile.toml").read_text()


def test_engines_wait_longer_than_a_full_stop_takes():
    compose = re.search(r"stop_grace_period: (\d+)s", (FOLDER / "compose.yaml").read_text())
    cluster = re.search(
        r"terminationGracePeriodSeconds: (\d+)", (FOLDER / "kubernetes.yaml").read_text()
    )

    for found in (compose, cluster):
        assert found is not None
        assert int(found[1]) >= seconds_to_stop() + 1


@pytest.mark.slow
@needs_root
class TestRunning:
    @pytest.fixture
    def image(self, ox: Ox) -> Ox:
        for path in FOLDER.iterdir():
            shutil.copy(path, ox.folder)
        return ox

    def container(self, image: Ox, *more: str, **env: str) -> Container:
        program, *words = words_of(last("ENTRYPOINT"))
        assert program == "oxtrio"
        return Container(image, *words, *more, manner=UNDER_DOCKER, env=env)

    def is_healthy(self, container: Container) -> bool:
        program, *words = words_of(last("HEALTHCHECK"))
        assert program == "oxtrio"
        return container.exec(*words).returncode == 0

    def test_it_is_healthy_when_all_is_up_and_stops_in_order(self, image: Ox):
        port = free_port()
        container = self.container(image, WEB_PORT=port, PREPARE_SECS="0")

        image.eventually(lambda: self.is_healthy(container), "it to be healthy")

        assert "Hello" in httpx.get(f"http://127.0.0.1:{port}/").text
        assert set(container.rows()) == {"prepare", "web", "worker"}
        container.running.says("job 1 is done")
        assert container.stop() == 0
        assert "nothing is left half done" in container.running.out
        assert f"a full stop takes at most {seconds_to_stop():g} s" in container.running.err

    def test_it_is_not_healthy_before(self, image: Ox):
        container = self.container(image, WEB_PORT=free_port(), PREPARE_SECS="3600")
        container.becomes("prepare", "starting", "running")

        assert container.rows()["web"]["status"] == "blocked"
        assert not self.is_healthy(container)
        assert container.stop() == 0

    def test_it_is_not_healthy_when_an_app_has_been_given_up(self, image: Ox):
        (image.folder / "worker.py").write_text("raise SystemExit(1)\n")
        text = (image.folder / "oxfile.toml").read_text()
        fails = "[processes.worker]\nmax_restarts = 1\nrestart_delay_ms = 1"
        image.write(text.replace("[processes.worker]", fails))
        container = self.container(image, WEB_PORT=free_port(), PREPARE_SECS="0")

        container.becomes("worker", "crashed")

        assert not self.is_healthy(container)
        assert container.stop() == 1

    def test_one_app_or_one_command_instead(self, image: Ox):
        command = self.container(image, "--", "python", "-c", "print(42)")
        assert command.running.ends() == 0
        assert command.running.out == "42\n"

        alone = self.container(image, "prepare", PREPARE_SECS="0")
        assert alone.running.ends() == 0
        assert "prepared" in alone.running.out
        assert "worker" not in alone.running.out
