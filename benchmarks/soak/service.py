"""oxtrio as an operator has it: commands, and what the control socket answers."""

import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import oxtrio
from benchmarks.interpreter import plain_environ
from benchmarks.peers.oxtrio import program
from benchmarks.soak.population import Population

MOST = 4
"""Commands under way at a time."""
LONGEST = 90.0
"""Seconds after which a command hangs."""
PATIENCE = 5.0
TROUBLE = ("Traceback", "internal error")
USUAL = (0, 1, 3)
"""Done, failed, not running: each is possible where anybody may be killed at any time."""


@dataclass(frozen=True, slots=True)
class Command:
    """One that is under way; what it says is in *said*."""

    words: tuple[str, ...]
    began: float
    process: subprocess.Popen[bytes]
    said: Path


class Service:
    """The commands of one project, one after the other or several at a time."""

    def __init__(
        self,
        folder: Path,
        population: Population,
        environ: Mapping[str, str],
        wrong: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.ended: Counter[int] = Counter()
        """Commands by exit code."""
        self.reasons: Counter[str] = Counter()
        """What those that failed have said."""
        self._population = population
        own = {"OXTRIO_HOME": str(self.home), "PYTHONPATH": str(_installed(folder))}
        self._environ = {**plain_environ(), **environ, **own}
        self._wrong = wrong
        self._under_way: list[Command] = []
        self._number = 0
        (folder / "commands").mkdir()

    def begin(self, *words: str) -> Command:
        """Start a command; waits while too many are under way."""
        while len(self._under_way) >= MOST:
            self.look()
            time.sleep(0.02)
        self._number += 1
        said = self.folder / "commands" / str(self._number)
        with said.open("wb") as output:
            process = self._population.spawn(
                [*program(), *words],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        command = Command(words, time.monotonic(), process, said)
        self._under_way.append(command)
        return command

    def run(self, *words: str) -> int:
        """Its exit code, once it has ended."""
        command = self.begin(*words)
        while command in self._under_way:
            self.look()
            time.sleep(0.02)
        return command.process.returncode

    def finish(self) -> None:
        """Return when no command is under way."""
        while self._under_way:
            self.look()
            time.sleep(0.02)

    def look(self) -> None:
        """Note what has ended, and end what hangs."""
        for command in [*self._under_way]:
            code = command.process.poll()
            if code is not None:
                self._under_way.remove(command)
                self._note(command, code)
            elif time.monotonic() - command.began > LONGEST:
                self._wrong(f"`oxtrio {' '.join(command.words)}` has not ended in {LONGEST:g} s")
                command.process.kill()

    def ask(self, path: str) -> Any:
        """What the control socket answers; None where nobody does."""
        with suppress(OSError, HTTPException, ValueError), socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(PATIENCE)
            wire.connect(str(self.control()))
            client = HTTPConnection("oxtrio")
            client.sock = wire
            client.request("GET", path, headers={"Connection": "close"})
            return json.loads(client.getresponse().read())
        return None

    def pid(self) -> int | None:
        """Who serves."""
        told = self.ask("/v1/supervisor")
        return int(told["pid"]) if told else None

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.ask("/v1/status") or ()}

    def control(self) -> Path:
        return next(self.home.glob("run/*/control.sock"), self.home / "none")

    def _note(self, command: Command, code: int) -> None:
        self.ended[code] += 1
        said = command.said.read_text(errors="replace")
        command.said.unlink()
        name = f"`oxtrio {' '.join(command.words)}`"
        if any(trouble in said for trouble in TROUBLE):
            self._wrong(f"{name} ended with {code} and said: {said[-1000:]}")
        elif code not in USUAL:
            self._wrong(f"{name} ended with {code}: {said[-300:]}")
        elif code and command.words[0] != "status":  # 3: somebody is not up
            words = [line for line in said.splitlines() if line.startswith("error:")]
            self.reasons[f"{command.words[0]}: {words[-1] if words else said[-100:]}"] += 1


def _installed(folder: Path) -> Path:
    """A copy of the package: what is edited meanwhile is not what an upgrade finds."""
    shutil.copytree(Path(oxtrio.__file__).parent, folder / "lib" / "oxtrio")
    return folder / "lib"
