"""Two apps of a project cannot hold one address."""

import pytest

from tests.config.reading import config_of, problems_of


def app(name: str, listen: str, lines: str = "") -> str:
    return f"[processes.{name}]\ncommand = 'x'\nlisten = {listen}\n{lines}\n"


def test_the_second_is_told_where_the_first_is():
    assert problems_of(app("a", "':80'"), app("b", "'0.0.0.0:80'")) == [
        "more1.toml:3: processes.b: listen has 0.0.0.0:80, which a holds already, "
        "in /srv/shop/oxfile.toml:3"
    ]


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("':80'", "'127.0.0.1:80'", "127.0.0.1:80, which a (as 0.0.0.0:80)"),
        ("'127.0.0.1:80'", "':80'", "0.0.0.0:80, which a (as 127.0.0.1:80)"),
        ("'[::]:80'", "'127.0.0.1:80'", "127.0.0.1:80, which a (as [::]:80)"),
        ("'127.0.0.1:80'", "'[::]:80'", "[::]:80, which a (as 127.0.0.1:80)"),
        ("['[::]:80', '10.0.0.1:80']", "'[::1]:80'", "[::1]:80, which a (as [::]:80)"),
        ("'unix:x'", "['unix:/srv/shop/x']", "unix:/srv/shop/x, which a holds"),
        ("'unix:/a/../x'", "'unix:/x'", "unix:/x, which a (as unix:/a/../x)"),
        ("'unix:x${instance}'", "'unix:x0'", "unix:/srv/shop/x0, which a (as unix:"),
        ("[':79', ':80']", "[':81', ':80']", "0.0.0.0:80, which a holds"),
    ],
)
def test_what_overlaps_is_refused(first, second, name):
    [problem] = problems_of(app("a", first) + app("b", second))

    assert f"oxfile.toml:7: processes.b: listen has {name}" in problem


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("':80'", "':81'"),
        ("'127.0.0.1:80'", "'127.0.0.2:80'"),
        ("'[::1]:80'", "'127.0.0.1:80'"),
        ("['[::]:80', '10.0.0.1:80']", "'127.0.0.1:80'"),
        ("'[::1]:80'", "':80'"),
        ("'unix:x${instance}'", "'unix:x1'"),
        ("'unix:x'", "'unix:y'"),
    ],
)
def test_everything_else_is_fine(first, second):
    assert config_of(app("a", first) + app("b", second))


@pytest.mark.parametrize("lines", [("disabled = true", ""), ("", "enabled = false")])
def test_one_that_is_disabled_may_take_the_place_of_another(lines):
    assert config_of(*(app(name, "':80'", line) for name, line in zip("ab", lines, strict=True)))


def test_each_app_is_told_of_the_one_before_it_once():
    problems = problems_of("".join(app(name, "':80'") for name in "abc"))

    assert [problem.partition(", in")[0] for problem in problems] == [
        "oxfile.toml:7: processes.b: listen has 0.0.0.0:80, which a holds already",
        "oxfile.toml:11: processes.c: listen has 0.0.0.0:80, which a holds already",
    ]


def test_an_address_that_could_not_be_read_is_nobodys():
    assert len(problems_of(app("a", "'80'") + app("b", "'80'"))) == 2
