"""Where the command line begins, and the one place where errors end."""

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import typer

from oxtrio.cli.environment import environ
from oxtrio.cli.grammar import app
from oxtrio.cli.terminal import note, plain
from oxtrio.cli.verbs import LATER_OPTIONS, modules_for
from oxtrio.errors import ConfigError, OxtrioError

USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
BUG = 1
COMPLETE = "_OXTRIO_COMPLETE"

# click's own exceptions; typer brings its own copy of click in newer versions.
ClickError: Any = typer.BadParameter.__mro__[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code. It never raises."""
    _prepare_streams()
    try:
        return _done(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence(sys.stdout)
        return BROKEN_PIPE


def _prepare_streams() -> None:
    """Let nothing that is printed raise: an ASCII locale, names that are no UTF-8, `>&-`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open("/dev/null", "w"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _done(words: list[str]) -> int:
    try:
        return _run(words)
    except OxtrioError as error:
        return _failed(error)
    except BrokenPipeError:
        raise
    except Exception as bug:  # noqa: BLE001 - nothing may end in a traceback
        return _bug(bug)


def _command(words: list[str]) -> Any:
    """The command line, with the commands that *words* can need."""
    for module in sorted(modules_for(words)):
        import_module(f"oxtrio.cli.{module}")
    return typer.main.get_command(app)


def _run(words: list[str]) -> int:
    if COMPLETE in environ:
        _command([])(args=words, prog_name="oxtrio", complete_var=COMPLETE)
    command = _command(words)
    if not words:
        return _show_help(command)
    try:
        with command.make_context("oxtrio", words) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        sys.stdout.flush()
        return end.exit_code
    except ClickError as wrong:
        return _wrong_usage(wrong)
    return 0


def _show_help(command: Any) -> int:
    """`oxtrio` alone: whoever types it wants to know what there is."""
    with command.make_context("oxtrio", [], resilient_parsing=True) as context:
        print(context.get_help(), file=sys.stderr)
    return USAGE


def _failed(error: OxtrioError) -> int:
    for problem in error.problems if isinstance(error, ConfigError) else ():
        print(plain(str(problem)), file=sys.stderr)
    note("error", error.message)
    if error.hint:
        note("hint", error.hint)
    return error.exit_code


def _wrong_usage(wrong: Any) -> int:
    """click's sentence in our manner."""
    option = getattr(wrong, "option_name", "")
    if wrong.ctx is not None and wrong.ctx.info_name in LATER_OPTIONS.get(option, ()):
        note("error", f"'{option}' is not supported yet")
        return USAGE
    message = wrong.message if option else wrong.format_message()
    note("error", message[:1].lower() + message[1:].rstrip("."))
    near = list(getattr(wrong, "possibilities", None) or ())
    path = wrong.ctx.command_path if wrong.ctx else "oxtrio"
    note("hint", f"did you mean {near[0]}?" if near else f"{path} --help")
    return USAGE


def _bug(bug: Exception) -> int:
    if environ.get("OXTRIO_DEBUG") == "1":
        traceback.print_exception(bug)
    note("error", f"internal error: {type(bug).__name__}: {bug}")
    note("hint", "this is a bug in oxtrio: please report it with the output of OXTRIO_DEBUG=1")
    return BUG


def _silence(stream: Any) -> None:
    """Whoever read our output is gone: drop what is left, or Python complains at its end."""
    try:
        stream.close()
    except BrokenPipeError:
        return
