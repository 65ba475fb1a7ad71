"""A release that does not work is to take over: all requests are answered by the old one."""

import re
from collections.abc import Iterator

import pytest

from benchmarks.load import Load
from tests.e2e.kit import CANARY, Ox, project
from tests.e2e.processes import Foreground
from tests.e2e.site import Site

pytestmark = pytest.mark.slow

SERVERS = {
    "uvicorn": "uvicorn main:app --host 0.0.0.0 --port {port}",
    "gunicorn": "gunicorn app:app --bind 0.0.0.0:{port} --workers 2",
}
RELEASES = {
    "exits": "exit code|did not|exited",
    "unhealthy": "not ready within 4 s; last health answer: .*503",
    "silent": "not ready within 4 s",
}
CASES = [(server, release) for server in SERVERS for release in RELEASES]

Ended = dict[tuple[str, str], tuple[Foreground, Load, int]]
