"""What every fault meets: a project whose invariants hold before, meanwhile and afterwards."""

from collections.abc import Iterator

import pytest

from tests.e2e.kit import Ox, project
from tests.faults.invariants import Case


@pytest.fixture
def ox() -> Iterator[Ox]:
    """A project of its own, with the global invariants of the catalogue checked at the end."""
    with project(Case) as ox:
        yield ox
