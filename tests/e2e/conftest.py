"""What every end-to-end test gets."""

from collections.abc import Iterator

import pytest

from tests.e2e.kit import Ox, project


@pytest.fixture
def ox() -> Iterator[Ox]:
    """A project of its own."""
    with project() as ox:
        yield ox
