"""What a command may import: the time it takes to start is part of its looks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.control.fakes import FakeSteered, serving

ROOT = str(Path(__file__).parents[2])

LIST_MODULES = """
import sys
sys.path.insert(0, {root!r})
from oxtrio.cli.main import main
from oxtrio.cli.target import Target
def client(target):
    from oxtrio.control.client import Client
    return Client({address!r})
Target.client = client
main({words!r})
print(*sys.modules, file=sys.stderr)
"""


def loaded_by(*words: str, address: str = "/nowhere") -> set[str]:
    """The top-level packages that a command line imports."""
    code = LIST_MODULES.format(root=ROOT, words=list(words), address=address)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("words", [("--version",), ("status", "--help"), ("logs", "-n", "x")])
def test_a_light_command_imports_nothing_heavy(words):
    heavy = {"trio", "psutil", "rich", "pydantic", "httpx", "tomlkit", "asyncio"}

    assert loaded_by(*words) & heavy == set()


@pytest.mark.parametrize("words", [("status",), ("logs",), ("restart",)])
def test_talking_to_a_supervisor_imports_neither_trio_nor_psutil(words):
    with serving(FakeSteered()) as address:
        assert loaded_by(*words, address=address) & {"trio", "psutil", "pydantic"} == set()


def run_python(code: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """*code*, in a process of its own that can import oxtrio."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **surroundings},
    )


def test_an_ascii_locale_is_no_bug():
    done = run_python(
        "from oxtrio.cli.main import main; sys.exit(main(['caf\\u00e9']))", PYTHONIOENCODING="ascii"
    )

    assert done.returncode == 2
    assert done.stderr.startswith("error: no such command: 'caf\\xe9'")


def test_closed_streams_are_no_bug():
    code = "sys.stdout = sys.stderr = None\nfrom oxtrio.cli.main import main\nsys.exit(main(['x']))"

    assert run_python(code).returncode == 2
