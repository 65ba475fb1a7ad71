"""docs/oxfile.md and the code know the same keys, and say the same about them."""

import re
import tomllib
from pathlib import Path

import pytest

from oxtrio.config.keys import Key, Table
from oxtrio.config.kinds import shown
from oxtrio.config.schema import plain
from oxtrio.config.tables.top import TABLES, known_keys, later_keys
from tests.config.reading import config_of

TEXT = (Path(__file__).parents[2] / "docs" / "oxfile.md").read_text()
HEAD = "| key | value | default | meaning |\n|---|---|---|---|\n"


def rows_of(table: Table) -> str:
    """The table of the document, as the code would write it."""
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells_of(key))} |\n"
        for key in table.keys
    )


def cells_of(key: Key[object]) -> tuple[str, ...]:
    default = shown(plain(key.default))
    if key.default is None or key.unset:
        default = key.unset or "—"
    example = " ".join(f"`{line}`" for line in key.example.split("\n")) if key.example else ""
    meaning = f"{key.meaning} E.g. {example}" if example else key.meaning
    return (f"`{key.name}`", key.kind.text, "required" if key.required else default, meaning)


def sections() -> dict[str, str]:
    """Each `### heading` with its text."""
    parts = re.split(r"^### (.*)\n", TEXT, flags=re.MULTILINE)[1:]
    return {
        heading.strip("` ").lower(): text
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.header)
def test_every_table_has_a_section_with_its_keys_as_the_code_has_them(table):
    assert HEAD + rows_of(table) in sections()[table.header.lower()]


def test_the_document_has_no_other_tables():
    assert TEXT.count(HEAD) == len(TABLES)


def test_every_key_that_is_not_supported_yet_is_listed():
    listed = sections()["not supported yet"]

    for header, names in later_keys().items():
        for name in names:
            assert re.search(rf"^\| `{re.escape(header)}` .*`{name}`", listed, re.MULTILINE), name


def test_known_keys_lists_every_table():
    assert list(known_keys()) == [table.header for table in TABLES]


def toml_blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("block", toml_blocks())
def test_every_example_in_the_document_is_valid(block):
    config_of(block)


def app_tables() -> list[tuple[str, Key[object]]]:
    return [(table.header, key) for table in TABLES for key in table.keys if key.example]


@pytest.mark.parametrize(
    ("header", "key"),
    app_tables(),
    # The same names in every process that collects them.
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_every_example_of_a_key_is_valid_where_it_stands(header, key):
    header = header.replace("<name>", "app").replace("top level", "")
    table = tomllib.loads(f"{header}\n{key.example}")
    apps = "" if header == "[processes.app]" and key.name == "command" else "command = 'true'"
    needed = {"depends_on": "[processes.db]\n" + "command='x'\n[processes.redis]\ncommand='x'\n"}
    endpoint = (
        "endpoint = 'http://x/'" if "health" in header and "endpoint" not in key.example else ""
    )
    if key.name == "command" and "health" in header:
        endpoint = ""
    text = f"{needed.get(key.name, '')}[processes.app]\n{apps}\n"
    text += (
        f"{key.example}\n"
        if header == "[processes.app]"
        else f"{header}\n{endpoint}\n{key.example}\n"
    )

    assert table
    assert config_of(text)
