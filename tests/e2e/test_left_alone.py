"""Servers whose address is not held: they work as by hand, and what a reload means is told."""

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.kit import FIXTURES, NOBODY, PYTHON, Ox, needs_root
from tests.e2e.site import HANDED, HOST, Site, is_refused

pytestmark = pytest.mark.slow

UVICORN = "uvicorn main:app --port {port}"


def test_hold_port_false_leaves_the_server_alone_and_the_gap_is_told_with_what_removes_it(ox: Ox):
    site = Site(ox, "web", UVICORN)
    ox.up(site.oxfile("hold_port = false"))
    row = ox.rows()["web"]
    assert (row["listen"], row["reload"]) == ([], "restart")
    assert "hold_port = false" in row["gap"]
    [inode] = _listeners(site.port)
    assert _has(ox.pid("web"), inode)
    assert not _has(ox.supervisor().pid, inode)
    why = ox("why", "web")
    assert "A reload means a gap: " in why.stdout
    assert "hold_port = true" in why.stdout + why.stderr
    site.release("2")

    reloaded = ox("reload", "web")

    assert reloaded.returncode == 0
    [said] = re.findall("(?m)^note: (web .*)$", reloaded.stderr)
    assert "gap" in said
    assert "write: hold_port = true" in said
    assert site.answering() == "2"
    ox.done("stop", "web")
    assert is_refused(site.port)


def test_what_cannot_be_read_for_sure_is_left_alone_and_works_as_by_hand(ox: Ox):
    """The article's other way to use a virtual environment."""
    activate = ox.write("", "venv/bin/activate")
    site = Site(ox, "web", f"bash -c 'source {activate} && {UVICORN}'")
    ox.up(site.oxfile())

    row = ox.rows()["web"]

    assert (row["listen"], row["reload"]) == ([], "restart")
    assert row["gap"]
    assert site.answering() == "1"
    said = ox("reload", "web").stderr
    assert f'command = "uvicorn main:app --port {site.port}"' in said
    assert f'venv = "{ox.folder}/venv"' in said


@needs_root
def test_a_port_for_root_alone_is_one_clear_error_for_others(ox: Ox):
    port = _low_port()
    ox.folder.chmod(0o777)
    ox.write(f'[processes.api]\ncommand = "{PYTHON} {HANDED} 1"\nlisten = "{HOST}:{port}"\n')

    said = ox.refused(1, "start", prefix=NOBODY)

    assert "for root" in said
    assert str(port) in said
    assert ox.rows()["api"]["status"] in ("backoff", "crashed", "starting")


@needs_root
def test_a_known_server_on_a_port_for_root_alone_fails_as_it_would_by_hand(ox: Ox):
    port = _low_port()
    ox.folder.chmod(0o777)
    ox.write(
        f'[processes.web]\ncommand = "uvicorn asgi:app --port {port}"\nworking_dir = "s"\n'
        # It counts as up when it has run for this long, and it takes its time to fail.
        "start_secs = 600\n"
    )
    ox.write((FIXTURES / "servers" / "asgi.py").read_text(), "s/asgi.py")

    said = ox.refused(1, "start", prefix=NOBODY)

    assert "permission denied" in said.lower()
    assert ox.rows()["web"]["listen"] == []


def _low_port() -> int:
    """One that root alone may have, here."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("here everybody may have every port")
    return first - 1


def _listeners(port: int) -> list[int]:
    """The inodes of the IPv4 sockets that listen on *port*."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = f"{port:04X}"
    return [int(row[9]) for row in rows if row[3] == "0A" and row[1].endswith(f":{here}")]


def _has(pid: int, inode: int) -> bool:
    """Whether it has that socket."""
    links = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            links.add(os.readlink(each))
    return f"socket:[{inode}]" in links
