"""The shape of the command line: what typer is told once for all commands.

`-c` and `-p` stand before or after the command: they are declared once, on `oxtrio` itself,
and every command takes them too.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from oxtrio.cli.conversion import without_pydantic
from oxtrio.cli.target import Target
from oxtrio.cli.verbs import GROUPS, LATER, MODULES
from oxtrio.errors import UsageError

Decorator = Callable[[Callable[..., None]], Callable[..., None]]
EVERYWHERE = ("config", "project")
AFTER_DASHES = "oxtrio.after_dashes"


class Verb(TyperCommand):
    """A command of oxtrio; its help ends with examples, one per line of its epilog."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_pydantic(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        outer: Target = ctx.parent.obj
        ctx.obj = outer.narrowed(*(ctx.params.pop(name) for name in EVERYWHERE))
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        own = [param for param in self.get_params(ctx) if param.name not in EVERYWHERE]
        write_options(formatter, "Options", own)
        write_options(formatter, "Project", [p for p in self.params if p.name in EVERYWHERE])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write_examples(formatter, self.epilog)


class VerbWithCommand(Verb):
    """A command of oxtrio that takes another program's behind `--`: `run -- CMD ARGS`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            cut = args.index("--")
            args, ctx.meta[AFTER_DASHES] = args[:cut], tuple(args[cut + 1 :])
            if not ctx.meta[AFTER_DASHES]:
                raise UsageError("no command behind '--'", hint=f"{ctx.command_path} -- CMD ARGS")
        return super().parse_args(ctx, args)


class Verbs(TyperGroup):
    """`oxtrio` itself: knows its commands by group, and what a mistyped one was meant to be."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        shared = [param for param in self.params if param.name in EVERYWHERE]
        for command in self.commands.values():
            command.params.extend(shared)

    def get_params(self, ctx: Any) -> list[Any]:
        return without_pydantic(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of help, in whatever order the modules were imported."""
        return [verb for verb in MODULES if verb in self.commands]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word in LATER:
            raise UsageError(f"'{word}' is not supported yet", hint="oxtrio --help")
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            near = get_close_matches(word, self.commands, n=1)
            hint = f"did you mean 'oxtrio {near[0]}'?" if near else "oxtrio --help"
            raise UsageError(f"no such command: '{word}'", hint=hint)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        write_options(formatter, "Options", self.get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for title, verbs in GROUPS.items():
            known = [(verb, self.commands[verb]) for verb in verbs if verb in self.commands]
            rows = [(verb.ljust(width), command.get_short_help_str(70)) for verb, command in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write_examples(formatter, self.epilog)


def write_options(formatter: Any, title: str, params: list[Any]) -> None:
    """One section of a help screen; arguments first, as they are written."""
    rows = [
        (option_words(param), param.help or "")
        for param in sorted(params, key=lambda param: param.param_type_name != "argument")
        if not getattr(param, "hidden", False)
    ]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def option_words(param: Any) -> str:
    """`-n, --lines N`."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    words = ", ".join(sorted(param.opts, key=len))
    return words if param.is_flag or not param.metavar else f"{words} {param.metavar}"


def write_examples(formatter: Any, epilog: str | None) -> None:
    if epilog:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in epilog.splitlines()))


app = typer.Typer(
    cls=Verbs,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="oxtrio run                   the stack of ./oxfile.toml in the foreground\n"
    "oxtrio start                 the same in the background\n"
    "oxtrio logs -f api worker    follow two apps\n"
    "oxtrio why worker            why it is in this state, and what to do",
)


def verb(
    name: str, *, examples: str = "", hidden: bool = False, cls: type[Verb] = Verb
) -> Decorator:
    """Register a function as the command *name*; its docstring is the help."""
    return app.command(name, cls=cls, epilog=examples, hidden=hidden)


def target_of(context: typer.Context) -> Target:
    """The project that this command is about."""
    target: Target = context.obj
    return target


def _show_version(asked: bool) -> None:
    if asked:
        from oxtrio import __version__

        typer.echo(f"oxtrio {__version__}")
        raise typer.Exit


@app.callback()
def oxtrio(
    context: typer.Context,
    config: Annotated[
        list[str] | None,
        typer.Option("-c", "--config", metavar="FILE", help="The oxfile; may be repeated."),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option("-p", "--project", metavar="NAME", help="A project by name, from anywhere."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "-V", "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Run a stack of Python processes from one oxfile.toml, and keep it running."""
    context.obj = Target().narrowed(config, project)
