"""gunicorn with its workers, with the commands of the articles, are reloaded under full load."""

from collections.abc import Iterator

import pytest

from tests.e2e.kit import project
from tests.e2e.site import Site, check_that_nobody_noticed, reload_under_load

pytestmark = pytest.mark.slow

GUNICORN = "gunicorn app:app --bind 0.0.0.0:{port} --workers 2"
SERVERS = {
    "sync": GUNICORN,
    "gthread": f"{GUNICORN} --worker-class gthread --threads 2 --timeout 30",
    "uvicorn-worker": "gunicorn -w 2 -k uvicorn_worker.UvicornWorker main:app -b :{port}",
}


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    """All of them, started side by side."""
    with project() as ox:
        sites = {name: Site(ox, name, command) for name, command in SERVERS.items()}
        ox.up("".join(site.oxfile() for site in sites.values()))
        yield sites


@pytest.mark.parametrize("name", SERVERS)
def test_no_request_fails_while_new_releases_take_over(sites: dict[str, Site], name: str):
    site = sites[name]
    assert site.ox.rows()[name]["reload"] == "overlap"

    check_that_nobody_noticed(*reload_under_load(site))
