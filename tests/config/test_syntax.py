"""Texts that are no TOML."""

import tomllib

import pytest

from oxtrio.config.syntax import SyntaxProblem, parse
from oxtrio.errors import Problem
from tests.config.reading import problems_of


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a", "1:2"),
        ("[processes.web]\ncommand = uvicorn", "2:11"),
        ("a = 1\na = 2", "2:6"),
        ("a = 'x\ny'", "1:7"),
        ("a = 1\r\nb = 2\rc", "2:6"),
        ("a\0 = 1", "1:2"),
        ("a = [\n\n", "3:1"),
        ("a = '''\nx", "2:2"),
        ("env = {\n  A = 1\n}", "1:8"),
        ("umask = 022", "1:10"),
    ],
)
def test_a_syntax_error_has_line_and_column(text, where):
    [problem] = problems_of(text)

    assert problem.startswith(f"oxfile.toml:{where}: is no TOML: ")


def test_the_column_is_a_number_too():
    problem = parse("x", "ab cd")

    assert isinstance(problem, SyntaxProblem)
    assert (problem.line, problem.column) == (1, 4)


def test_an_app_that_stands_twice_is_named():
    [problem] = problems_of("[processes.a]\ncommand='x'\n[processes.a]\ncommand='x'")

    assert "[processes.a] stands here twice" in problem


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 300 + "]" * 300,
        "a = " + "{b=" * 300 + "1" + "}" * 300,
        ".".join("a" * 200_000) + " = 1",
        "[" + ".".join("a" * 200_000) + "]",
        "x = { " + ".".join("a" * 200_000) + " = 1 }",
        ".".join("a" * 101) + " = 1",
    ],
    ids=["open", "arrays", "tables", "key", "header", "inline", "just"],
)
def test_endless_nesting_is_a_problem_and_no_crash(text):
    problem = parse("x", text)

    assert isinstance(problem, Problem)
    assert problem.what == "is nested too deeply"


def test_dots_in_strings_and_comments_are_no_nesting():
    dots = "a." * 500

    assert parse("x", f'# {dots}\na = \'{dots}\'\nb = """\n{dots}"""\nc = [{"1.5," * 500}]')


def test_a_number_of_thousands_of_digits_is_a_problem():
    assert problems_of("a = " + "9" * 5000) == [
        "oxfile.toml: contains a number with thousands of digits"
    ]


def test_what_python_says_of_a_text_without_a_place_is_kept(monkeypatch):
    def refuse(text: str) -> None:
        raise tomllib.TOMLDecodeError("Something new")

    monkeypatch.setattr("oxtrio.config.syntax.tomllib.loads", refuse)

    assert str(parse("x", "")) == "x: is no TOML: Something new"


def test_a_byte_order_mark_is_skipped():
    assert parse("x", "\ufeffa = 1") == {"a": 1}
