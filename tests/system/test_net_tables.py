"""What the tables of sockets say."""

import sys

import pytest

from oxtrio.system import net_tables


@pytest.mark.parametrize(
    ("digits", "host"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel prints in its own order")
def test_addresses_are_read_as_the_kernel_prints_them(digits: str, host: str):
    assert net_tables.host_of(digits) == host
