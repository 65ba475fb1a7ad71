"""Tables of environment variables, and what is expanded in them."""

import pytest

from tests.config.reading import app_of, app_problems, config_of, problems_of


def env_of(table: str) -> dict[str, str]:
    return dict(app_of(f"[processes.app.env]\n{table}").env)


def problem_of(table: str) -> str:
    [problem] = app_problems(f"[processes.app.env]\n{table}")
    return problem


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'text'", "text"),
        ("''", ""),
        ("8000", "8000"),
        ("-1", "-1"),
        ("0x10", "16"),
        ("0.5", "0.5"),
        ("true", "true"),
        ("false", "false"),
        ("'~'", "/home/ann"),
        ("'~/x:~/y'", "/home/ann/x:~/y"),
        ("'~bob'", "~bob"),
        ("'a~'", "a~"),
        ("'${HOST}'", "db.example"),
        ("'postgres://${HOST}/x'", "postgres://db.example/x"),
        ("'${HOST}${HOST}'", "db.exampledb.example"),
        ("'${HOST:-x}'", "db.example"),
        ("'${MISSING:-x}'", "x"),
        ("'${MISSING:-}'", ""),
        ("'${EMPTY}'", ""),
        ("'${EMPTY:-x}'", "x"),
        ("'${MISSING:-a:-b}'", "a:-b"),
        ("'${MISSING:-~/x}'", "/home/ann/x"),
        ("'${A:-${B:-${HOST}}}!'", "db.example!"),
        ("'${A:-{\"x\":1}}'", '{"x":1}'),
        ("'${TRICKY}'", "${HOST} ~ $x"),
        ("'$HOST'", "$HOST"),
        ("'pa$$word$'", "pa$$word$"),
        ("'$(id) `id`'", "$(id) `id`"),
        ("'}{'", "}{"),
        ("'${instance}'", "${instance}"),
        ("'800${instance}-${HOST}'", "800${instance}-db.example"),
        ("'${A:-${instance}}'", "${instance}"),
    ],
)
def test_a_value_becomes(written, value):
    assert env_of(f"V = {written}") == {"V": value}


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("'${MISSING}'", "${MISSING} is not set in the environment (set it, or give a default: "),
        ("'${A:-${B}}'", "${B} is not set"),
        ("'${HOST'", "${HOST does not end (a literal ${ can only stand in an env_file)"),
        ("'${}'", "${} is neither ${NAME} nor ${NAME:-default}"),
        ("'${a b}'", "${a b} is neither"),
        ("'${HOST:?x}'", "${HOST:?x} is neither"),
        ("'${1}'", "${1} is neither"),
        ("'${port}'", "${port} needs the key port, such as port = 8000"),
        ("'${fd}'", "${fd} does not serve here"),
        ("'${fd:web}'", "${fd:web} does not serve here"),
    ],
)
def test_what_cannot_be_expanded_is_named_with_its_line(written, what):
    assert problem_of(f"V = {written}").startswith(
        f"oxfile.toml:4: processes.app.env: V cannot be expanded: {what}"
    )


def test_the_port_of_the_app_stays_in_the_value():
    app = app_of("port = 8000\n[processes.app.env]\nURL = '${X:-http://x:${port}}/${instance}'")

    assert app.env == (("URL", "http://x:${port}/${instance}"),)


def test_the_environment_of_all_apps_knows_no_port():
    [problem] = problems_of("[env]\nP = '${port}'\n[processes.app]\ncommand = 'x'\nport = 1")

    assert problem == "oxfile.toml:2: env: P cannot be expanded: ${port} does not serve here"


def test_every_missing_variable_of_a_value_is_named():
    assert len(app_problems("[processes.app.env]\nV = '${A} ${B} ${A:-${C}}'")) == 3


def test_defaults_within_defaults_end_somewhere():
    assert "does not end" in problem_of(f"V = '{'${A:-' * 50}{'}' * 50}'")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("'' = 'x'", '"" cannot be the name of a variable: it is empty'),
        ("'A=B' = 'x'", '"A=B" cannot be the name of a variable: it contains = or NUL'),
        ('"A\\u0000" = "x"', "contains = or NUL"),
        ('V = "a\\u0000b"', '"V" contains a NUL character'),
        ("V = []", '"V" must be a string, a number, true or false'),
        ("V = {}", '"V" must be a string, a number, true or false'),
        ("V = 2026-01-01", '"V" must be a string, a number, true or false'),
        ("V = nan", '"V" must be a finite number'),
        ("V = -inf", '"V" must be a finite number'),
        (f"V = '{'x' * 200_000}'", '"V" is longer than the 128 KiB'),
    ],
)
def test_what_no_environment_can_hold_is_refused(line, what):
    problem = problem_of(line)

    assert problem.startswith("oxfile.toml:4: processes.app.env: ")
    assert what in problem


def test_no_value_is_ever_in_a_problem():
    problems = app_problems(
        "[processes.app.env]\nA = 'hunter2 ${MISSING}'\nB = ['hunter2']\nC = \"hunter2\\u0000\""
    )

    assert len(problems) == 3
    assert "hunter2" not in " ".join(problems)


def test_the_top_level_env_is_for_all_and_beaten_by_an_apps_own():
    one, two = config_of(
        "[env]\nA = 'all'\nB = '${HOST}'\n"
        "[processes.one]\ncommand='x'\nenv = { A = 'own', C = 1 }\n"
        "[processes.two]\ncommand='x'"
    ).apps

    assert one.env == (("A", "own"), ("B", "db.example"), ("C", "1"))
    assert two.env == (("A", "all"), ("B", "db.example"))


def test_problems_of_the_top_level_env_have_their_line():
    assert problems_of("[env]\nA = '${X}'\n[processes.a]\ncommand='x'")[0].startswith(
        "oxfile.toml:2: env: A cannot be expanded"
    )


def test_inherited_variables_may_be_named():
    assert app_of("inherit_env = false").inherit_env is False
    assert app_of("inherit_env = ['PATH', 'HOME']").inherit_env == ("PATH", "HOME")
