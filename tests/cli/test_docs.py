"""docs/cli.md and the code name the same commands and options."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

from oxtrio.cli import verbs
from oxtrio.cli.grammar import EVERYWHERE, app

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
for _module in set(verbs.MODULES.values()):
    import_module(f"oxtrio.cli.{_module}")
GROUP = typer.main.get_command(app)


def sections() -> dict[str, str]:
    """The part of the document about each command."""
    parts = re.split(r"^### `oxtrio ([a-z]+)", TEXT, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def options_in(text: str) -> set[str]:
    """The options in the first column of the tables of *text*."""
    cells = re.findall(r"^\| (`-.*?) \|", text, flags=re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`(-[-\w]+)", cell)}


def options_of(command) -> set[str]:
    return {
        word
        for param in command.params
        if param.param_type_name == "option" and param.name not in EVERYWHERE
        for word in param.opts
    }


def test_every_command_is_documented_in_the_order_of_help():
    assert list(sections()) == [verb for group in verbs.GROUPS.values() for verb in group]


def test_the_groups_are_those_of_help():
    titles = re.findall(r"^## (\w+)$", TEXT, flags=re.MULTILINE)

    assert [title for title in titles if title in verbs.GROUPS] == list(verbs.GROUPS)


@pytest.mark.parametrize("verb", sorted(sections()))
def test_the_options_of_a_command_are_documented(verb: str):
    assert options_in(sections()[verb]) == options_of(GROUP.commands[verb])


def test_the_options_of_oxtrio_itself_are_documented():
    general = TEXT.partition("## Run")[0]
    shared = {word for param in GROUP.params if param.name in EVERYWHERE for word in param.opts}

    assert options_in(general) == options_of(GROUP) | shared | {"-h", "--help"}


def test_aliases_are_documented():
    for alias in verbs.ALIASES:
        assert f"`oxtrio {alias}`" in TEXT


def test_no_command_of_a_later_version_is_documented():
    assert [verb for verb in verbs.LATER if f"`oxtrio {verb}" in TEXT] == []
