"""Containers without an engine: the namespaces, mounts and rights that an engine would set up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

import oxtrio
from tests.e2e.kit import CLI_DEADLINE, Ended, Ox

PACKAGE = Path(oxtrio.__file__).parent
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""In front of a command: it is PID 1, sees only its own /proc, and ends with the test."""
SOMEBODY = (
    *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
    *("--bounding-set=-all", "--no-new-privs"),
)
"""In front of a command: its user is nobody that anybody knows, and will never get a right."""
READ_ONLY = (
    "cut -d' ' -f2 /proc/mounts | sort -ru | grep -Ev '^/(proc|sys)' |"
    ' while read -r each; do mount -o remount,bind,ro "$each" 2>/dev/null; done'
)

ROOT = "/mnt"
LIBRARIES = filter(os.path.exists, ("/lib", "/lib64", "/usr/lib"))
PARTS = (sys.base_prefix, sys.prefix, str(PACKAGE.parent), *LIBRARIES)
MINIMAL = "\n".join(
    (
        f"mount -t tmpfs none {ROOT} && mkdir {ROOT}/app {ROOT}/proc {ROOT}/dev",
        f"mount --bind . {ROOT}/app && mount -t proc proc {ROOT}/proc",
        f"touch {ROOT}/dev/null && mount --bind /dev/null {ROOT}/dev/null",
        *(f"mkdir -p {ROOT}{each} && mount --bind {each} {ROOT}{each}" for each in PARTS),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a container is set up."""

    user: bool = False
    """`USER 54321`, `--cap-drop ALL`, `no-new-privileges`."""
    rootless: bool = False
    """Who has made it is nobody outside, and root inside."""
    read_only: bool = False
    """Nothing can be written anywhere, not even in /tmp."""
    minimal: bool = False
    """Its root folder has the oxfile in /app, Python, and the C library; no /bin/sh, no /tmp."""
    before: tuple[str, ...] = field(default=())
    """In front of its entry point, as PID 1: what executes it."""

    @property
    def has_folders(self) -> bool:
        """Whether oxtrio can write where the test says that it may."""
        return not (self.user or self.rootless or self.read_only)

    def prefix(self) -> tuple[str, ...]:
        """What stands in front of the entry point: a process whose only child is PID 1."""
        steps = [open_to_all(Path(sys.base_prefix)), MINIMAL if self.minimal else ""]
        steps += [READ_ONLY] if self.read_only else []
        enter = f"exec unshare --root={ROOT} --wd=/app" if self.minimal else "exec"
        shell = ("sh", "-c", "\n".join([*steps, f'{enter} "$0" "$@"']))
        if self.rootless:
            inner = (UNSHARE[0], "--user", "--map-root-user", *UNSHARE[1:])
            return ("unshare", "--mount", *shell, *SOMEBODY, *inner, *self.before)
        who = SOMEBODY if self.user else ()
        return (*UNSHARE, "--mount", *shell, *who, *self.before)

    def inside(self, pid: int) -> tuple[str, ...]:
        """What stands in front of a command that `docker exec` would run."""
        spaces = ("--pid", "--mount", *(("--user",) if self.rootless else ()))
        who = SOMEBODY if self.user else ()
        return ("nsenter", f"--target={pid}", *spaces, "--root", "--wd", *who)


class Container:
    """A container whose entry point is `oxtrio` with some words, beside the test."""

    def __init__(
        self,
        ox: Ox,
        *words: str,
        manner: Manner | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._ox = ox
        self._manner = manner or Manner()
        require(self._manner)
        ox.folder.chmod(0o755)
        self._env = {"OXTRIO_HOME": ""} if not self._manner.has_folders else {}
        self._env |= env or {}
        settings = {"env": self._env, **options}
        self.running = ox.foreground(*words, prefix=self._manner.prefix(), **settings)

    @property
    def first(self) -> psutil.Process:
        """PID 1, as it is seen from outside: `unshare` itself swallows signals."""
        outer = psutil.Process(self.running.process.pid)

        def child() -> psutil.Process | None:
            assert self.running.process.poll() is None, f"it has ended: {self.running.err}"
            return next(filter(is_oxtrio, outer.children()), None)

        return self._ox.eventually(child, "the first process of the container")

    def exec(self, *words: str) -> Ended:
        """`docker exec CONTAINER oxtrio WORDS`."""
        return self._ox(*words, prefix=self.inside, **self._env)

    def run(self, *words: str) -> Ended:
        """`docker exec CONTAINER WORDS`."""
        return subprocess.run(
            [*self.inside, *words],
            env={**self._ox.environ, **self._env},
            capture_output=True,
            text=True,
            timeout=CLI_DEADLINE,
        )

    @property
    def inside(self) -> tuple[str, ...]:
        return self._manner.inside(self.first.pid)

    def rows(self) -> dict[str, dict[str, Any]]:
        """What `status --json` shows inside, by name; empty while nobody answers."""
        ended = self.exec("status", "--json")
        return {row["name"]: row for row in json.loads(ended.stdout)} if ended.stdout else {}

    def becomes(self, name: str, *states: str) -> dict[str, Any]:
        def is_so() -> dict[str, Any] | None:
            row = self.rows().get(name)
            return row if row and row["status"] in states else None

        return self._ox.eventually(is_so, f"{name} to be {' or '.join(states)}")

    def stop(self) -> int:
        """`docker stop`, with all patience; the exit code."""
        self.first.send_signal(signal.SIGTERM)
        return self.running.ends()


def is_oxtrio(process: psutil.Process) -> bool:
    """Whether it is the entry point by now, and no more what sets the container up."""
    with suppress(psutil.NoSuchProcess):
        words = process.cmdline()
        upgraded = words[2:4] == ["-m", "oxtrio.entry"]
        return upgraded or any(word.endswith("/oxtrio") for word in words[:2])
    return False


@cache
def require(manner: Manner) -> None:
    """Skip the test where this kernel, or whoever runs the tests, may not make such a container."""
    tried = subprocess.run(
        [*Manner(user=manner.user, rootless=manner.rootless).prefix(), sys.executable, "-c", ""],
        capture_output=True,
        text=True,
    )
    if tried.returncode:
        pytest.skip(f"no such container here: {tried.stderr.strip()}")


def open_to_all(folder: Path) -> str:
    """Shell: nobody needs a right to reach *folder*, which may be in the home folder of root."""
    closed = [each for each in folder.parents if not each.stat().st_mode & 0o001]
    if not closed:
        return ""
    return (
        f"h=$(mktemp -d) && mount --bind {folder} $h"
        f" && mount -t tmpfs -o mode=755 none {closed[-1]}"
        f" && mkdir -p {folder} && mount --move $h {folder} && rmdir $h"
    )
