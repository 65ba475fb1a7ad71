"""Release folders behind a `current` link, as docs/releases.md has it: its own commands are run."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from benchmarks.load import Load, LoadSpec, start
from benchmarks.outcome import Outcome
from tests.e2e.kit import CANARY, Ended, Ox
from tests.e2e.site import AT_A_TIME, GENTLE, HOST, own_port, who

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "releases.md"
OLD, NEW = "releases/2025-03-01", "releases/2025-03-08"

APP = """
import json, os, sys
from pathlib import Path

RELEASE, BUILT_IN = {release!r}, Path(__file__).parent
{more}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    own = Path(sys.prefix) == BUILT_IN / "venv" and Path(os.getcwd()) == BUILT_IN
    who = f"{{RELEASE}} {{'own' if own else sys.prefix}} {{os.environ['COLOUR']}}"
    body = json.dumps({{"release": who, "pid": os.getpid()}}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""

PIP = """#!/bin/sh
# What stands in for an index: the packages that the tests have.
here=$(dirname "$0")
echo {packages} > "$(echo "$here"/../lib/python3*/site-packages)/tests.pth"
python=$(realpath -s "$here")/python
printf '#!%s\\nfrom uvicorn import main\\nmain()\\n' "$python" > "$here/uvicorn"
chmod +x "$here/uvicorn"
"""
PYTHON = """#!/bin/sh
{python} "$1" "$2" --without-pip "$3" && cp {pip} "$3/bin/pip"
"""
GIT = """#!/bin/sh
while [ "$1" != --branch ]; do shift; done
mkdir -p "$(dirname "$4")" && cp -r {branches}/"$2" "$4"
"""


class Shop:
    """The guide, in a folder of its own."""

    def __init__(self, ox: Ox) -> None:
        self.ox, self.port = ox, own_port()
        self._tools = ox.folder / "tools"
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
        shell = [self._here(text) for kind, text in blocks if kind == "sh"]
        self.first, self.deploy, self.roll_back, self.careful, _, self.tidy = shell
        [oxfile] = [text for kind, text in blocks if kind == "toml"]
        ox.write(self._here(oxfile) + CANARY)
        ox.write("COLOUR=green\n", "shared/web.env")
        self._make_tools()

    def _here(self, text: str) -> str:
        text = text.replace("/srv/shop", str(self.ox.folder))
        return text.replace("8000", str(self.port))

    def _make_tools(self) -> None:
        pip = self._tools / "pip"
        packages = sysconfig.get_path("purelib")
        self._tool("pip", PIP.format(packages=packages))
        self._tool("python3", PYTHON.format(python=sys.executable, pip=pip))
        self._tool("git", GIT.format(branches=self.ox.folder / "branches"))
        for number in (1, 2):
            self.branch(number)

    def _tool(self, name: str, text: str) -> None:
        self.ox.write(text, f"tools/{name}").chmod(0o755)

    def branch(self, number: int, more: str = "") -> None:
        """What `git clone` gives for the branch `v1` or `v2`."""
        text = APP.format(release=f"v{number}", more=more)
        self.ox.write(text, f"branches/v{number}/main.py")

    def begin(self) -> None:
        """The first release, and the first start."""
        first = self.deploy.replace(NEW, OLD).replace("branch v2", "branch v1")
        assert first != self.deploy
        self.done(first.replace("oxtrio reload web\n", self.first))

    def run(self, script: str) -> Ended:
        environ = self.ox.environ
        return subprocess.run(
            ["sh", "-c", script],
            cwd=self.ox.folder,
            env={**environ, "PATH": f"{self._tools}:{environ['PATH']}"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def done(self, script: str) -> None:
        ended = self.run(script)
        assert ended.returncode == 0, f"{script}: {ended}"

    def load(self) -> Load:
        return start(LoadSpec(f"{HOST}:{self.port}", concurrency=AT_A_TIME, pause=GENTLE))

    def answering(self) -> str | None:
        found = who(self.port)
        return None if found is None else found[0]

    def current(self) -> str:
        return os.readlink(self.ox.folder / "current")


def under_load(shop: Shop, *scripts: str) -> Outcome:
    """What became of the requests while *scripts* ran, all of which must succeed."""
    with shop.load() as load:
        for script in scripts:
            load.wait_answers(20)
            shop.done(script)
        load.wait_answers(20)
        return load.stop().whole


@pytest.fixture
def shop(ox: Ox) -> Shop:
    shop = Shop(ox)
    shop.begin()
    assert shop.answering() == "v1 own green"
    return shop


def test_a_deploy_and_a_roll_back_fail_no_request_and_each_has_its_own_interpreter(shop: Shop):
    deployed = under_load(shop, shop.deploy)

    assert deployed.failed == {}
    assert set(deployed.releases) == {"v1 own green", "v2 own green"}
    assert shop.answering() == "v2 own green"

    # Only now is the interpreter of the first release looked up again.
    rolled_back = under_load(shop, shop.roll_back)

    assert rolled_back.failed == {}
    assert set(rolled_back.releases) == {"v1 own green", "v2 own green"}
    assert shop.answering() == "v1 own green"
    assert shop.current() == OLD


def test_an_env_file_is_read_again_and_settings_are_put_into_service_like_a_release(shop: Shop):
    shop.ox.write("COLOUR=blue\n", "shared/web.env")

    found = under_load(shop, "oxtrio reload web")

    assert found.failed == {}
    assert set(found.releases) == {"v1 own green", "v1 own blue"}
    assert shop.answering() == "v1 own blue"


def test_a_broken_release_is_reported_and_the_script_moves_the_link_back(shop: Shop):
    shop.branch(2, "import stripe_is_not_installed")
    old = shop.ox.pid("web")
    build = shop.deploy.partition("# Move the link")[0]
    with shop.load() as load:
        load.wait_answers(20)

        ended = shop.run(build + shop.careful)

        load.wait_answers(20)
        found = load.stop().whole

    assert ended.returncode == 1
    assert "no Python module 'stripe_is_not_installed'; web runs on as it was" in ended.stderr
    assert "    ModuleNotFoundError" in ended.stderr
    assert "venv/bin/pip install stripe_is_not_installed" in ended.stderr
    assert found.failed == {}
    assert set(found.releases) == {"v1 own green"}
    assert shop.current() == OLD
    assert shop.ox.pid("web") == old


def test_tidying_up_leaves_what_runs_and_a_few_to_go_back_to(shop: Shop):
    releases = shop.ox.folder / "releases"
    for day in range(10, 20):
        (releases / f"2025-03-{day}").mkdir()

    shop.done(shop.tidy)

    left = sorted(each.name for each in releases.iterdir())
    assert left == ["2025-03-01", *(f"2025-03-{day}" for day in range(15, 20))]
    shop.done("oxtrio reload web")
    assert shop.answering() == "v1 own green"
