"""Where keys stand, compared with what a TOML reader finds."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxtrio.config.positions import key_lines

TEXT = '''\
# [not.a.table]
top = 1

[processes.web]  # comment with [brackets] and = signs
command = """
[not.a.table]
a = 1
"""
"quoted key" = 'x # no comment'
a.b . "c d" = 1
list = [
  1, # [x]
  "]",
  { b = 1 },
]
after = 2

[ processes . "api.v2" ]
x = """a\\"""b = 1
"""
[[jobs]]
name = 1
[jobs.inner]
deep = 1
[[jobs]]
name = 2
[[jobs.more]]
y = 1
'''


def test_every_key_has_its_line():
    lines = key_lines(TEXT)

    assert {
        "top": lines["top",],
        "web": lines["processes", "web"],
        "command": lines["processes", "web", "command"],
        "quoted": lines["processes", "web", "quoted key"],
        "dotted": lines["processes", "web", "a", "b", "c d"],
        "list": lines["processes", "web", "list"],
        "after": lines["processes", "web", "after"],
        "v2": lines["processes", "api.v2"],
        "x": lines["processes", "api.v2", "x"],
        "first": lines["jobs", 0],
        "inner": lines["jobs", 0, "inner", "deep"],
        "second": lines["jobs", 1, "name"],
        "more": lines["jobs", 1, "more", 0, "y"],
    } == {
        "top": 2,
        "web": 4,
        "command": 5,
        "quoted": 9,
        "dotted": 10,
        "list": 11,
        "after": 16,
        "v2": 18,
        "x": 19,
        "first": 21,
        "inner": 24,
        "second": 26,
        "more": 28,
    }


def test_what_is_in_strings_and_comments_is_no_key():
    assert not [path for path in key_lines(TEXT) if "not" in path]


def test_a_table_that_is_only_implied_is_where_it_is_implied_first():
    lines = key_lines("\n[a.b.c]\nx = 1\n[a.b]\ny = 1\n")

    assert lines["a",] == 2
    assert lines["a", "b"] == 4


NAMES = st.sampled_from(["a", "b", "key", '"a b"', "'x.y'", '"#"', '"[["', "1", "-_"])
VALUES = st.sampled_from(
    [
        "1",
        "'# x'",
        '"[a]\\"="',
        "[1, 2]",
        "[\n 'a=b', # [x]\n ']'\n]",
        '"""\n[a]\nb = 1\n"""',
        "'''\n\"\"\"\n'''",
        "{ x = 1, y = [1] }",
        "1979-05-27",
        "[[1], [2]]",
        '"""a\\"""b"""',
        '""""quoted""""',
    ]
)


def leaves(content: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The paths of all keys whose values are no tables."""
    if isinstance(content, dict):
        return {leaf for key, inner in content.items() for leaf in leaves(inner, (*path, key))}
    if isinstance(content, list) and content and all(isinstance(each, dict) for each in content):
        return {leaf for n, inner in enumerate(content) for leaf in leaves(inner, (*path, n))}
    return {path}


@settings(max_examples=300, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "[{}]", "[[{}]]", "[{}.t]", "# [{}]\n"]),
            NAMES,
            st.lists(st.tuples(NAMES, VALUES), unique_by=lambda pair: pair[0], max_size=3),
        ),
        max_size=5,
    )
)
def test_every_key_that_a_reader_finds_is_on_a_line_that_has_its_name(tables):
    text = ""
    for header, name, pairs in tables:
        text += header.format(name) + "\n"
        text += "".join(f"{key} = {value}\n" for key, value in pairs)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    written = text.split("\n")

    for path in leaves(content):
        place = path
        while place not in lines:
            place = place[:-1]
            if not place:
                pytest.fail(f"{path} is nowhere")
        assert str([p for p in place if isinstance(p, str)][-1]) in written[lines[place] - 1]
