"""uvicorn and hypercorn, with the commands of the articles, are reloaded under full load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kit import project
from tests.e2e.site import BARE, Site, check_that_nobody_noticed, reload_under_load

pytestmark = pytest.mark.slow

FASTAPI = Path(__file__).parents[2] / "benchmarks" / "programs" / "site"
SERVERS = {
    "uvicorn": "uvicorn main:app --host 0.0.0.0 --port {port}",
    "uvicorn-workers": "uvicorn main:app --host 0.0.0.0 --port {port} --workers 2",
    "hypercorn": "hypercorn main:app --bind 0.0.0.0:{port}",
}
SOURCES = {"uvicorn": FASTAPI}
"""Where the app is not a bare one."""


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    """All of them, started side by side."""
    with project() as ox:
        sites = {
            name: Site(ox, name, command, source=SOURCES.get(name, BARE))
            for name, command in SERVERS.items()
        }
        ox.up("".join(site.oxfile() for site in sites.values()))
        yield sites


@pytest.mark.parametrize("name", SERVERS)
def test_no_request_fails_while_new_releases_take_over(sites: dict[str, Site], name: str):
    site = sites[name]
    assert site.ox.rows()[name]["reload"] == "overlap"

    check_that_nobody_noticed(*reload_under_load(site))
