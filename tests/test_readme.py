"""README.md and docs/*.md: what they show works, what they link to exists, words are explained."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oxtrio.cli.verbs import ALIASES, GROUPS, LATER
from oxtrio.config.load import load
from oxtrio.config.tables.top import later_keys
from oxtrio.errors import ConfigError
from oxtrio.model.facts import Facts, Source

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))

# A comment with the word "wrong" stands before what is wrong on purpose.
BLOCK = re.compile(
    r"(?:<!--(?P<comment>[^>]*)-->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\boxtrio((?: +-[cp] +\S+)*) +([a-z][a-z-]*)(?![\w./:-])")
"""`oxtrio`, options with a value, and a word; in code only."""

WORDS = ("app", "instance", "run", "spec", "status", "exit", "plan", "ladder, rung") + (
    ("monitor", "attendant", "sink")
    + ("project", "supervisor", "main process", "one-shot", "event", "state")
)

FACTS = Facts(
    environ={"HOME": "/home/me", "DATABASE_URL": "sqlite:///x"},
    home="/home/me",
    cpus=4,
    root=True,
    rlimits={"nofile": -1, "nproc": -1, "core": -1},
)


def name_of(value: object) -> str:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(value)


def blocks(page: Path) -> Iterator[tuple[int, str, str, str]]:
    """Line, kind, text and comment of every fenced block."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("text"))
        yield line, found["kind"], found["text"], found["comment"] or ""


def oxfiles(*, wrong: bool) -> list:
    return [
        pytest.param(f"{name_of(page)}:{line}", text, id=f"{name_of(page)}:{line}")
        for page in PAGES
        for line, kind, text, comment in blocks(page)
        if kind == "toml" and "[processes." in text and ("wrong" in comment) is wrong
    ]


def code_in(page: Path) -> str:
    """What one could type: behind a prompt, in scripts, and between backticks."""
    lines = re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text()))
    for _, kind, text, _ in blocks(page):
        if kind == "console":
            lines += re.findall(r"^\$ ([^#\n]*)", text, re.M)
        elif kind in {"", "sh", "dockerfile", "ini"}:
            lines += text.splitlines()
    return "\n".join(lines)


def anchors_of(page: Path) -> set[str]:
    """What links to *page* may name after `#`, as GitHub makes it from headings."""
    headings = re.findall(r"^#+ +(.*)$", BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(("where", "text"), oxfiles(wrong=False))
def test_every_oxfile_that_is_shown_is_valid(where: str, text: str):
    config = load([Source("/srv/app/oxfile.toml", text)], FACTS)

    assert config.apps, where


@pytest.mark.parametrize(("where", "text"), oxfiles(wrong=True))
def test_what_is_shown_as_wrong_is_wrong(where: str, text: str):
    with pytest.raises(ConfigError):
        load([Source("/srv/app/oxfile.toml", text)], FACTS)


def test_the_problems_that_the_readme_shows_are_those_of_its_file():
    shown = list(blocks(README))
    at = next(number for number, block in enumerate(shown) if "wrong" in block[3])

    with pytest.raises(ConfigError) as raised:
        load([Source("/srv/myapp/oxfile.toml", shown[at][2])], FACTS)

    lines = [*map(str, raised.value.problems), f"error: {raised.value.message}"]
    assert shown[at + 1][2].splitlines() == ["$ oxtrio validate", *lines]


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=name_of)
def test_every_link_to_a_file_finds_it(page: Path):
    lost = []
    for link in LINK.findall(BLOCK.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            lost.append(link)

    assert lost == []


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=name_of)
def test_every_command_that_is_shown_exists(page: Path):
    known = {verb for group in GROUPS.values() for verb in group} | set(ALIASES)
    named = {verb for _, verb in COMMAND.findall(code_in(page))}

    assert named <= known


def test_the_readme_lists_every_command():
    section = README.read_text().partition("\n## Commands\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `oxtrio ([a-z]+)", section, re.M)

    assert rows == [verb for group in GROUPS.values() for verb in group]


def test_the_readme_says_what_is_not_supported_yet():
    section = README.read_text().partition("\n## What is not supported yet\n")[2]
    words = set(re.findall(r"`\[*([\w]+)\]*(?: = 1)?`", section.partition("\n## ")[0]))
    keys = {key for names in later_keys().values() for key in names}
    # The other dialect is named as a whole.
    keys -= {"defaults", "deploy"}

    assert keys | LATER <= words


def test_the_glossary_has_every_word():
    section = README.read_text().partition("\n## Glossary\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\w, -]+) \|", section, re.M)

    assert set(WORDS) <= set(rows)
