"""docs/reliability.md: what it says of each case of the catalogue can be looked up."""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
HEADING = "## The catalogue of faults"
CASES = {"P": 35, "L": 20, "K": 16, "G": 9, "C": 16, "H": 16, "R": 19, "X": 15, "S": 18, "I": 16}
VERDICTS = {"passes", "later", "does not apply"}

ROW = re.compile(r"^\| ([A-Z]\d\d) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
TEST = re.compile(r"\btests/[\w./]+\.py(?:::\w+)*(?:\[[^\]|]*\])?")


@dataclass(frozen=True)
class Row:
    section: str
    case: str
    title: str
    verdict: str
    text: str

    @property
    def tests(self) -> list[str]:
        return TEST.findall(self.text)

    @property
    def words(self) -> str:
        return TEST.sub("", self.text).replace("<br>", "").strip()


def sections() -> dict[str, str]:
    """The text of each section of the catalogue, by its letter."""
    _, _, catalogue = PAGE.read_text().partition(f"{HEADING}\n")
    _, *parts = re.split(r"(?m)^### ([A-Z]):.*$", catalogue)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows() -> list[Row]:
    return [
        Row(letter, *found) for letter, text in sections().items() for found in ROW.findall(text)
    ]


@cache
def named_in(path: str) -> frozenset[str]:
    """The tests of a file, those of a class with the name of the class before them."""
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for each in members:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(before + each.name)
    return frozenset(name for name in found if name.rpartition(":")[2].startswith("test_"))


def exists(test: str) -> bool:
    path, _, name = test.partition("[")[0].partition("::")
    return (ROOT / path).is_file() and name in named_in(path)


def test_every_case_of_the_catalogue_has_one_row_in_its_section():
    assert list(sections()) == list(CASES)
    assert [(row.section, row.case) for row in rows()] == [
        (letter, f"{letter}{number:02}")
        for letter, count in CASES.items()
        for number in range(1, count + 1)
    ]


def test_no_line_of_a_table_is_read_as_something_else():
    lines = [line for text in sections().values() for line in text.splitlines() if "|" in line]
    heads = [line for line in lines if line.startswith(("| case |", "|---"))]

    assert [line for line in lines if line not in heads and not ROW.match(line)] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.case)
def test_a_verdict_has_its_tests_or_its_reason(row: Row):
    assert row.verdict in VERDICTS
    assert [test for test in row.tests if not exists(test)] == []
    if row.verdict == "passes":
        assert row.tests
    else:
        assert len(row.words) > 10


def test_the_counts_are_those_of_the_rows():
    counts = Counter(row.verdict for row in rows())

    [said] = re.findall(r"(?m)^(\d+) cases: (\d+) pass, (\d+) later, (\d+) do ", PAGE.read_text())

    assert [int(number) for number in said] == [
        sum(CASES.values()),
        *(counts[verdict] for verdict in ("passes", "later", "does not apply")),
    ]


def test_a_test_that_is_not_there_would_be_seen():
    here = Path(__file__).relative_to(ROOT)

    assert exists(f"{here}::test_a_test_that_is_not_there_would_be_seen[with parameters]")
    assert not exists(f"{here}::test_that_nobody_has_written")
    assert not exists(f"{here}::sections")
    assert not exists("tests/faults/test_that_is_no_file.py::test_anything")
