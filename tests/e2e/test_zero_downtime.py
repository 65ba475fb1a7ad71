"""Real servers, with the commands of the articles, are reloaded under full load: nobody notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kit import CANARY, project
from tests.e2e.site import BARE, Site

pytestmark = pytest.mark.slow

FASTAPI = Path(__file__).parents[2] / "benchmarks" / "programs" / "site"
GUNICORN = "gunicorn app:app --bind 0.0.0.0:{port} --workers 2"
SERVERS = {
    "fastapi": "uvicorn main:app --host 0.0.0.0 --port {port}",
    "uvicorn": "uvicorn main:app --host 0.0.0.0 --port {port}",
    "uvicorn-workers": "uvicorn main:app --host 0.0.0.0 --port {port} --workers 2",
    "gunicorn": GUNICORN,
    "gthread": f"{GUNICORN} --worker-class gthread --threads 2 --timeout 30",
    "uvicorn-worker": "gunicorn -w 2 -k uvicorn_worker.UvicornWorker main:app -b :{port}",
    "hypercorn": "hypercorn main:app --bind 0.0.0.0:{port}",
}
RELOADS = 3

Sites = dict[str, Site]


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    """All servers, started side by side."""
    with project() as ox:
        sites = {
            name: Site(ox, name, command, source=FASTAPI if name == "fastapi" else BARE)
            for name, command in SERVERS.items()
        }
        ox.up("".join(site.oxfile() for site in sites.values()) + CANARY.replace("canary", "other"))
        yield sites


@pytest.mark.parametrize("name", SERVERS)
def test_no_request_fails_while_new_releases_take_over(sites: Sites, name: str):
    site = sites[name]
    assert site.ox.rows()[name]["reload"] == "overlap"
    with site.load() as new, site.load(keep_alive=True) as kept:
        loads = (new, kept)
        for load in loads:
            load.wait_answers(20)

        for number in range(2, 2 + RELOADS):
            site.release(str(number))
            site.ox.done("reload", name)
            assert site.answering() == str(number)
            for load in loads:
                load.wait_answers(20)

        records = [load.stop() for load in loads]

    for record in records:
        whole = record.whole
        assert whole.failed == {}, record.first
        assert set(whole.releases) == {str(number) for number in range(1, 2 + RELOADS)}
    assert records[0].whole.raced_close == 0
