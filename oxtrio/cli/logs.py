"""logs."""
# ruff: noqa: PLR0913, PLR0917 - the parameters of a command are its options

import time
from typing import Annotated

import typer

from oxtrio.cli import output
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.moments import wall_time
from oxtrio.cli.options import JsonLines, Names
from oxtrio.errors import UsageError
from oxtrio.model.log import LogQuery, Stream

STREAMS = {
    "out": Stream.STDOUT,
    "stdout": Stream.STDOUT,
    "err": Stream.STDERR,
    "stderr": Stream.STDERR,
}
LINES = 100


@verb(
    "logs",
    examples="oxtrio logs -f api worker\n"
    "oxtrio logs --since 10m --level error\n"
    "oxtrio logs api -n all --no-prefix > api.log",
)
def logs(
    context: typer.Context,
    names: Names = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    lines: Annotated[
        str | None,
        typer.Option("-n", "--lines", metavar="N", help="The last N, or all; 100 if unsaid."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="10m, 2h, 1d or a time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="The same, for the end.")
    ] = None,
    grep: Annotated[
        str | None, typer.Option("--grep", metavar="RE", help="Only lines that contain this.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="LEVEL", help="Of this level, or worse.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", metavar="out|err", help="Only stdout, or stderr.")
    ] = None,
    json: JsonLines = False,
    no_prefix: Annotated[
        bool, typer.Option("--no-prefix", help="Lines as the apps wrote them.")
    ] = False,
) -> None:
    """Show the output of apps, merged in time order."""
    now = time.time()
    query = LogQuery(
        names=tuple(names or ()),
        lines=number_of_lines(lines, since),
        since=wall_time(since, now) if since else None,
        until=wall_time(until, now) if until else None,
        grep=pattern(grep),
        level=level,
        stream=stream_named(stream),
        follow=follow,
    )
    output.show(target_of(context), query, output.Look(json=json, prefix=not no_prefix))


def number_of_lines(word: str | None, since: str | None) -> int | None:
    """How many of the last lines; with `--since` all of them, unless said otherwise."""
    if word is None:
        return None if since else LINES
    if word == "all":
        return None
    if not word.isdigit():
        raise UsageError(f"cannot show '{word}' lines", hint="-n 200, or -n all")
    return int(word)


def stream_named(word: str | None) -> Stream | None:
    """The stream for `out`, `err`, `stdout`, `stderr`."""
    if word is not None and word not in STREAMS:
        raise UsageError(f"no such stream: '{word}'", hint="--stream out, --stream err")
    return STREAMS[word] if word else None


def pattern(word: str | None) -> str | None:
    """*word*, once it is known to be a regular expression."""
    import re

    try:
        re.compile(word or "")
    except re.error as error:
        raise UsageError(f"cannot use --grep '{word}': {error}") from None
    return word
