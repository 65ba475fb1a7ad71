"""The arrows of oxtrio point down, and only down; files and functions stay small."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "oxtrio"

BELOW = {
    "errors": "",
    "model": "errors",
    "policy": "model errors",
    "config": "policy model errors",
    "project": "config policy model errors",
    "system": "model errors",
    "logs": "system policy model errors",
    "process": "logs system policy model errors",
    "supervisor": "process logs system policy model errors",
    "monitors": "system policy model errors",
    "control": "supervisor system policy model errors",
    "systemd": "supervisor system policy model errors",
    "attendants": "systemd supervisor system policy model errors",
    "upgrade": "systemd control supervisor process logs system project model errors",
    "assembly": "upgrade supervisor process logs system project config model errors",
    "daemon": "assembly upgrade attendants systemd control monitors supervisor process logs "
    "system project config policy model errors",
    "startup": "daemon assembly upgrade supervisor process logs system project config policy model "
    "errors",
    "cli": "control startup project config policy model errors",
    "entry": "cli startup system",
    "keeper": "",
}
"""Package or module → what it may import of oxtrio."""

OUTSIDE = {
    "errors": "",
    "model": "",
    "policy": "",
    "config": "dotenv tomlkit",
    "project": "",
    "system": "trio psutil httpx httpcore",
    "logs": "trio regex",
    "process": "trio",
    "supervisor": "trio",
    "monitors": "trio",
    "control": "trio h11",
    "systemd": "trio",
    "attendants": "trio",
    "upgrade": "trio",
    "assembly": "trio",
    "daemon": "trio",
    "startup": "trio",
    "cli": "typer rich click",
    "entry": "",
    "keeper": "",
}
"""Package or module → what it may import from outside the standard library."""

TOUCH_THE_SYSTEM = {
    "os",
    "signal",
    "subprocess",
    "socket",
    "ctypes",
    "fcntl",
    "resource",
    "pwd",
    "grp",
}
"""Modules of the standard library that are the operating system."""

MAY_TOUCH = {"system", "project", "logs", "process", "supervisor", "daemon", "startup", "cli"}
"""logs write files; process and supervisor keep small records; the others find and start things."""

NOT_TOUCHED_ABOVE_SYSTEM = {"subprocess", "socket", "ctypes", "fcntl", "resource", "pwd", "grp"}

NO_CLOCK = {"trio", "time", "random", "asyncio", "threading"}

WITHOUT_TRIO = {
    "control/client.py",
    "control/connection.py",
    "control/messages.py",
    "control/wire.py",
}

BANNED_NAMES = {"utils", "util", "helpers", "common", "base", "manager", "misc", "core", "impl"}

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path.parent != PACKAGE or path.stem in BELOW]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Every module that *path* imports, those for the type checker too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports relatively"
            found.add(node.module or "")
    return found


def names_from_signal(path: Path) -> set[str]:
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "signal"
        for alias in node.names
    }


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path):
    here = part_of(path)
    ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("oxtrio.")}

    assert ours <= {here, *BELOW[here].split()}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_known_packages_come_from_outside(path: Path):
    import sys

    tops = {name.split(".")[0] for name in imports_of(path)}
    foreign = {top for top in tops if top not in sys.stdlib_module_names and top != "oxtrio"}

    assert foreign <= set(OUTSIDE[part_of(path)].split())


@pytest.mark.parametrize(
    "path", [p for p in MODULES if part_of(p) in {"model", "policy"}], ids=name_of
)
def test_decisions_know_no_clock_and_no_dice(path: Path):
    assert not imports_of(path) & NO_CLOCK


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if part_of(p) in {"errors", "model", "policy", "config", "monitors"}],
    ids=name_of,
)
def test_only_the_lower_edge_knows_the_system(path: Path):
    touched = imports_of(path) & TOUCH_THE_SYSTEM

    # The names of signals are data.
    if names_from_signal(path) <= {"Signals"}:
        touched -= {"signal"}
    assert not touched


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if part_of(p) in {"process", "supervisor", "control"}],
    ids=name_of,
)
def test_processes_and_sockets_are_the_business_of_system_alone(path: Path):
    assert not imports_of(path) & NOT_TOUCHED_ABOVE_SYSTEM


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if part_of(p) in {"cli", "project"} or name_of(p) in WITHOUT_TRIO],
    ids=name_of,
)
def test_the_command_line_does_not_pay_for_trio(path: Path):
    assert not {name.split(".")[0] for name in imports_of(path)} & {"trio", "psutil"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_stays_under_300_lines(path: Path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_stay_under_40_lines(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_is_named_after_what_is_in_it(path: Path):
    assert path.stem not in BANNED_NAMES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text()))
