"""The tables of options against the parsers of the programs that are installed.

Options that are newer than the tables are no fault: commands with them are left alone.
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import hypercorn.__main__
import pytest
from gunicorn.config import Config
from uvicorn.main import main as uvicorn

from oxtrio.policy.options import Options, read_options
from oxtrio.policy.server_options import GUNICORN, HYPERCORN, UV_RUN, UVICORN

REFUSED = object()


@pytest.fixture
def hypercorns(monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser that hypercorn makes for itself."""
    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, words: object) -> None:
        caught.append(parser)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", catch)
        with pytest.raises(KeyboardInterrupt):
            hypercorn.__main__.main(["x"])
    return caught[0]


def gunicorns() -> argparse.ArgumentParser:
    return Config(prog="gunicorn").parser()


def options_of(parser: argparse.ArgumentParser) -> Options:
    named = [(name, action.nargs) for action in parser._actions for name in action.option_strings]
    return Options(
        flags=frozenset(name for name, nargs in named if nargs in (0, "?")),
        valued=frozenset(name for name, nargs in named if nargs is None),
        argparse=True,
    )


def assert_same_kind(table: Options, real: Options) -> None:
    assert not table.flags & real.valued
    assert not table.valued & real.flags
    assert not table.flags & table.valued


def test_each_option_of_gunicorn_takes_a_value_or_not():
    assert_same_kind(GUNICORN, options_of(gunicorns()))


def test_each_option_of_hypercorn_takes_a_value_or_not(hypercorns: argparse.ArgumentParser):
    assert_same_kind(HYPERCORN, options_of(hypercorns))


def test_each_option_of_uvicorn_takes_a_value_or_not():
    named = [
        (name, getattr(option, "is_flag", False))
        for option in uvicorn.params
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("-")
    ]
    real = Options(
        flags=frozenset(name for name, is_flag in named if is_flag),
        valued=frozenset(name for name, is_flag in named if not is_flag),
    )

    assert_same_kind(UVICORN, real)
    assert not any(option.nargs != 1 for option in uvicorn.params)


def test_each_option_of_uv_takes_a_value_or_not():
    program = Path(sys.executable).with_name("uv")
    told = subprocess.run([program, "run", "--help"], capture_output=True, text=True, check=True)
    found = re.findall(r"^ +(?:(-\w), )?(--[\w-]+)( <)?", told.stdout, re.MULTILINE)
    named = [(name, bool(value)) for short, long, value in found for name in (short, long) if name]
    real = Options(
        flags=frozenset(name for name, is_valued in named if not is_valued),
        valued=frozenset(name for name, is_valued in named if is_valued),
    )

    assert_same_kind(UV_RUN, real)
    assert {"-m", "--frozen"} <= real.flags
    assert "--with" in real.valued


LINES = [
    "app",
    "app -b :80",
    "app -b:80",
    "app -b=:80",
    "app -b ''",
    "app --bind :80 --bind=:81 -b:82",
    "app --bin :80 --bi=:81",
    "app -w 4 -b :80",
    "-w4 app -b=:80",
    "app --pid -- -b :80",
    "app --log-level -b --bind :80",
    "app -p - -b :80",
    "app -- -b :80",
    "-b :80 -- app",
    "app --bind=--bind",
    "app -b-b",
    "app -Db :80",
    "app -Db:80",
    "app -DD -b :80",
    "app -D=x",
    "app --daemon=x",
    "app --work 2",
    "app --b :80",
    "app -x",
    "app --bindx :80",
    "app -b",
    "app -b -w 2",
    "- -b :80",
]


def binds_by(parser: argparse.ArgumentParser, line: str, name: str) -> object:
    try:
        return getattr(parser.parse_args(shlex.split(line)), name) or []
    except SystemExit:
        return REFUSED


def binds_by_us(line: str, known: Options) -> object:
    try:
        options = read_options(shlex.split(line), known)
    except Exception:  # noqa: BLE001
        return REFUSED
    return [option.value for option in options if option.name in ("-b", "--bind")]


@pytest.mark.parametrize("line", LINES)
def test_what_is_read_is_what_the_server_reads(hypercorns: argparse.ArgumentParser, line: str):
    for parser, known, name in (
        (gunicorns(), GUNICORN, "bind"),
        (hypercorns, HYPERCORN, "binds"),
    ):
        theirs = binds_by(parser, line, name)
        assert theirs is REFUSED or binds_by_us(line, known) in (REFUSED, theirs), known
