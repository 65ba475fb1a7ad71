"""What the last lines of shells, Python and servers say."""

import pytest

from oxtrio.policy.symptoms import (
    Command,
    denied_path,
    final_exception,
    missing_module,
    missing_name,
    program_not_executable,
    program_not_found,
    program_of,
    syntax_error,
    without_halts,
)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("uvicorn main:app", "uvicorn"),
        ("exec uvicorn main:app", "uvicorn"),
        ("DEBUG=1 LEVEL='a b' ./serve --fast", "./serve"),
        ("echo 'unclosed", "echo"),
        (("DEBUG=1", "x"), "DEBUG=1"),
        ("A=1", ""),
        ("", ""),
    ],
)
def test_the_program_of_a_command_is_its_first_word(command: Command, program: str):
    assert program_of(command) == program


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("sh: 1: exec: uvicorn: not found", "uvicorn"),
        ("/bin/sh: 1: uvicorn: not found", "uvicorn"),
        ("/bin/sh: 12: ./bin/serve: not found", "./bin/serve"),
        ("bash: uvicorn: command not found", "uvicorn"),
        ("bash: line 1: exec: uvicorn: not found", "uvicorn"),
        ("bash: /srv/run: cannot execute: required file not found", "/srv/run"),
        ("env: ‘python4’: No such file or directory", "python4"),
        ("/usr/bin/env: 'node': No such file or directory", "node"),
        ("\x1b[31mbash: uvicorn: command not found\x1b[0m", "uvicorn"),
        ("page not found", None),
    ],
)
def test_a_shell_names_the_program_that_it_did_not_find(line: str, program: str | None):
    assert program_not_found(["starting", line]) == program


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("sh: 1: exec: ./run.sh: Permission denied", "./run.sh"),
        ("bash: ./run: cannot execute binary file: Exec format error", "./run"),
        ("bash: /srv: Is a directory", "/srv"),
        ("all is well", None),
    ],
)
def test_a_shell_names_the_file_that_it_may_not_execute(line: str, program: str | None):
    assert program_not_executable([line]) == program


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("ModuleNotFoundError: No module named 'fastapi'", "fastapi"),
        ("ModuleNotFoundError: No module named 'app.settings'", "app.settings"),
        ("ImportError: No module named requests", "requests"),
        ("/usr/bin/python3: No module named uvicorn", "uvicorn"),
        ('ERROR:    Error loading ASGI app. Could not import module "main".', "main"),
        ("Error: Could not import 'wsgi'.", "wsgi"),
        ("The module tasks was not found.", "tasks"),
        ("ImportError: cannot import name 'x' from 'y' (/srv/y.py)", None),
    ],
)
def test_a_missing_module_is_named(line: str, module: str | None):
    assert missing_module(["Traceback (most recent call last):", line, "bye"]) == module


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("ImportError: cannot import name 'app' from 'main' (/srv/main.py)", "'app' in 'main'"),
        (
            'ERROR:    Error loading ASGI app. Attribute "app" not found in module "main".',
            "'app' in 'main'",
        ),
        ("Failed to find attribute 'application' in 'shop.wsgi'.", "'application' in 'shop.wsgi'"),
        ("nothing of that kind", None),
    ],
)
def test_what_a_module_lacks_is_named(line: str, missing: str | None):
    assert missing_name([line]) == missing


def test_a_syntax_error_is_named_with_its_place():
    lines = [
        "Traceback (most recent call last):",
        '  File "/venv/bin/uvicorn", line 8, in <module>',
        "    sys.exit(main())",
        '  File "/srv/main.py", line 3',
        "    def f(",
        "         ^",
        "SyntaxError: '(' was never closed",
    ]

    assert syntax_error(lines) == ("/srv/main.py:3", "SyntaxError: '(' was never closed")


def test_a_syntax_error_without_a_place_is_still_named():
    assert syntax_error(["IndentationError: unexpected indent"]) == (
        "",
        "IndentationError: unexpected indent",
    )
    assert syntax_error(["no SyntaxError: here"]) is None


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/var/log/shop.log'", "/var/log/shop.log"),
        ("Error: EACCES: permission denied, open '/etc/x'", "/etc/x"),
        ("PermissionError: [Errno 1] Operation not permitted", None),
    ],
)
def test_a_path_that_may_not_be_used_is_named(line: str, path: str | None):
    assert denied_path([line]) == path


def test_the_last_exception_of_a_chain_is_the_final_one():
    lines = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in <module>',
        "KeyError: 'x'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in <module>',
        "shop.errors.NoSuchColour: no such colour",
        "shutting down",
    ]

    assert final_exception(lines) == "shop.errors.NoSuchColour: no such colour"


def test_an_exception_whose_traceback_is_out_of_sight_is_found():
    assert final_exception(["    return 1/0", "ZeroDivisionError: division by zero"]) == (
        "ZeroDivisionError: division by zero"
    )


def test_a_message_that_only_mentions_an_error_is_no_exception():
    assert final_exception(["Error: the file is gone", "no ValueError: here"]) is None


def test_the_way_in_which_gunicorn_ends_hides_nothing_of_what_its_worker_said():
    said = ["Traceback (most recent call last):", "  here", "ValueError: no colour", "exiting"]
    trace = ["Traceback (most recent call last):", '  File "arbiter.py"', f"{HALT} 3>"]

    told = without_halts([*said, *trace, "During handling of the above exception, …", *trace])

    assert told == tuple(said)
    assert without_halts([*trace, *said]) == tuple(said)
    assert without_halts(said[:2]) == tuple(said[:2])


HALT = "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.'"


def test_a_line_of_a_megabyte_is_not_searched_for_ever():
    line = "sh: " + "x: " * 400_000

    assert program_not_found([line]) is None
    assert missing_module([line]) is None
    assert final_exception([line]) is None
