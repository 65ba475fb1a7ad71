"""Two oxfiles with the same names of apps are two projects, side by side: blue-green."""

import json
import re
from typing import Any

import pytest

from tests.e2e.kit import Ox
from tests.e2e.processes import alive, eventually
from tests.e2e.site import Site, is_refused, own_port, who

pytestmark = pytest.mark.slow

BLUE, GREEN = "oxfile.blue.toml", "oxfile.green.toml"
WORKER = '[processes.worker]\ncommand = "sleep 3600"\nstart_secs = 0\n'
ON_PORT = "uvicorn main:app --host 0.0.0.0 --port $PORT"


class Colours:
    """The two, in one folder."""

    def __init__(self, ox: Ox) -> None:
        self.ox = ox
        self.site = Site(ox, "web", ON_PORT)
        self.ports = {BLUE: self.site.port, GREEN: own_port()}
        text = self.site.oxfile().replace(f":{self.site.port}/", ":${PORT}/") + WORKER
        for name in (BLUE, GREEN):
            ox.write(text, name)
        self.start(BLUE)
        self.site.release("2")

    def start(self, name: str) -> None:
        self.ox.done("start", "--config", name, PORT=str(self.ports[name]))

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        rows = json.loads(self.ox("status", "--config", name, "--json").stdout or "[]")
        return {row["name"]: row for row in rows}

    def pids(self, name: str) -> dict[str, int]:
        return {each: row["pid"] for each, row in self.rows(name).items()}

    def answering(self, name: str) -> str | None:
        found = who(self.ports[name])
        return None if found is None else found[0]


@pytest.fixture
def colours(ox: Ox) -> Colours:
    return Colours(ox)


def test_the_same_apps_run_twice_and_each_project_sees_and_stops_its_own(colours: Colours):
    ox, blue = colours.ox, colours.pids(BLUE)
    with colours.site.load() as load:
        load.wait_answers(20)
        colours.start(GREEN)

        eventually(lambda: colours.answering(GREEN), "green to answer")
        green = colours.pids(GREEN)
        assert colours.pids(BLUE) == blue
        assert set(blue) == set(green) == {"web", "worker"}
        assert not {*blue.values()} & {*green.values()}
        assert (colours.answering(BLUE), colours.answering(GREEN)) == ("1", "2")
        for name, port in colours.ports.items():
            [row] = json.loads(ox.done("status", "--config", name, "--json", "web"))
            assert row["listen"] == [f"0.0.0.0:{port}"]
            assert row["config"].endswith(name)
        load.wait_answers(20)
        found = load.stop().whole

    assert found.failed == {}
    assert set(found.releases) == {"1"}

    ox.done("stop", "--config", BLUE)

    assert is_refused(colours.ports[BLUE])
    assert not any(map(alive, blue.values()))
    assert colours.pids(GREEN) == green
    assert colours.answering(GREEN) == "2"
    assert ox("status", "--config", BLUE).returncode == 3


def test_a_second_project_on_the_same_port_is_refused_and_the_first_serves_on(colours: Colours):
    colours.ports[GREEN] = colours.ports[BLUE]
    pid = colours.pids(BLUE)["web"]

    ended = colours.ox("start", "--config", GREEN, "web", PORT=str(colours.ports[GREEN]))

    assert ended.returncode == 1
    [user] = re.findall(r"the address is in use by .* \(pid (\d+)\)", ended.stderr)
    assert int(user) in {each.pid for each in colours.ox.ours()}, ended.stderr
    assert colours.pids(BLUE)["web"] == pid
    assert colours.answering(BLUE) == "1"
