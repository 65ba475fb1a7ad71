"""Nothing that an app writes can steer the terminal of whoever reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.policy.terminal import plain_text, prefix, safe_text

ATTACK = (
    b"\x1b]0;PWNED\x07\x1b[2J\x1b[1A\x1b]8;;http://evil/\x07click\x1b]8;;\x07 \xc2\x9b31m "
    b'\x1bP$q"p\x1b\\ \xe2\x80\xaetxt'
)
DANGEROUS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain text", "plain text"),
        (b"tabs\tstay", "tabs\tstay"),
        ("grün ✓".encode(), "grün ✓"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"nul\x00", "nul\\x00"),
        (b"bell\x07", "bell\\x07"),
        (b"real line\rfake line", "real line\\rfake line"),
        (b"from windows\r", "from windows"),
        (b"two\nlines", "two\\nlines"),
        (b"\x1b[2J\x1bc", "\\x1b[2J\\x1bc"),
        (b"\xc2\x9b31m", "\\x9b31m"),
        (b"\xc2\x85", "\\x85"),
        ("\u2028 \u202e \u2066".encode(), "\\u2028 \\u202e \\u2066"),
        (b"\x7f", "\\x7f"),
    ],
)
def test_what_would_steer_a_terminal_is_shown_escaped(data, shown):
    assert safe_text(data) == shown
    assert plain_text(data) == shown


def test_colours_of_the_app_stay_and_end_with_its_line():
    assert safe_text(b"\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"
    assert safe_text(b"\x1b[38:2::1:2:3mred\x1b[m") == "\x1b[38:2::1:2:3mred\x1b[m\x1b[0m"


def test_plain_text_has_no_colours():
    assert plain_text(b"\x1b[32mINFO\x1b[0m:     up\x1b[2J") == "INFO:     up\\x1b[2J"


def test_a_colour_without_end_is_no_colour():
    assert safe_text(b"\x1b[" + b"1;" * 40 + b"m").startswith("\\x1b[1;")


def test_an_attack_leaves_nothing_that_a_terminal_obeys():
    assert not DANGEROUS.search(safe_text(ATTACK))
    assert "click" in safe_text(ATTACK)


@given(st.binary())
def test_no_bytes_get_through_but_colours(data):
    assert not DANGEROUS.search(plain_text(data))
    assert not DANGEROUS.search(re.sub(r"\x1b\[[0-9;:]*m", "", safe_text(data)))


def test_a_prefix_is_padded():
    assert prefix("api", 7, None) == "api     | "
    assert prefix("api", 7, False) == "api     | "


def test_a_prefix_takes_a_colour_by_number_or_by_its_name():
    assert prefix("api", 3, 0) == "\x1b[36mapi |\x1b[0m "
    assert prefix("api", 3, 6) == prefix("api", 3, 0)
    assert prefix("api", 3, True) == prefix("api", 3, True)
    assert len({prefix(name, 1, True)[:5] for name in "abcdefgh"}) > 1
