"""Everybody who lives below this process, looked at all the time by a thread of its own."""

import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Load, LoadSpec, start

EVERY = 0.03
"""Seconds between two looks."""
LONGEST_DEAD = 10.0
"""Seconds after which somebody who is dead should have been waited for."""
KEEPER, SUPERVISOR, APP, OTHER = "keeper", "supervisor", "app", "other"

Key = tuple[int, str]
"""A pid, and when it was given: nobody else has both."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as it was when it was looked at."""

    pid: int
    parent: int
    born: str
    dead: bool
    kind: str = OTHER
    app: str = ""
    instance: str = ""
    run: str = ""
    leads: bool = False
    """Whether it is the leader of its run."""

    @property
    def key(self) -> Key:
        return self.pid, self.born


class Population:
    """Who lives; at the end of its block nobody looks any more.

    Whoever loses all parents becomes ours, as we are a subreaper, and is waited for here.
    """

    def __init__(self, overlapping: frozenset[str], wrong: Callable[[str], None]) -> None:
        self.looks = self.twice = self.unreaped = 0
        self.all: tuple[Process, ...] = ()
        """As of the last look."""
        self.leaders: dict[str, set[Key]] = defaultdict(set)
        """All leaders that were seen, by app and instance."""
        self._overlapping = overlapping
        self._wrong = wrong
        self._ours: set[int] = set()
        self._dead: dict[Key, float] = {}
        self._twice: dict[str, frozenset[Key]] = {}
        self._known: dict[Key, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start what the caller waits for."""
        with self._lock:
            process = subprocess.Popen(argv, **options)
            self._ours.add(process.pid)
        return process

    def load(self, spec: LoadSpec) -> Load:
        """Clients of ours."""
        with self._lock:
            before = set(_children(os.getpid()))
            load = start(spec)
            self._ours |= set(_children(os.getpid())) - before
        return load

    def of(self, kind: str) -> list[Process]:
        """Those of *kind* that live, looked at now."""
        return [each for each in self._look() if each.kind == kind and not each.dead]

    def run_of(self, app: str, instance: str) -> list[Process]:
        """All that live of an instance, leaders first."""
        found = [each for each in self.of(APP) if (each.app, each.instance) == (app, instance)]
        return sorted(found, key=lambda each: not each.leads)

    def strangers(self) -> list[Process]:
        """Everybody that lives but for those that we have started and wait for."""
        return [each for each in self._look() if not each.dead and each.pid not in self._ours]

    def _run(self) -> None:
        while not self._done.wait(EVERY):
            with self._lock:
                self.all = tuple(self._look())
                self._reap()
            self._note_dead()
            self._note_twice()
            self.looks += 1

    def _look(self) -> list[Process]:
        return [self._process(*each) for each in _below(os.getpid())]

    def _process(self, pid: int, parent: int, fields: list[str]) -> Process:
        state, session, born = fields[0], fields[3], fields[19]
        process = Process(pid, parent, born, state in "ZX")
        if process.dead:
            return process
        told = self._known.get(process.key) or _environ(pid)
        run = told.get("OXTRIO_RUN_ID", "")
        if not run:
            return Process(pid, parent, born, False, _kind(pid))
        self._known[process.key] = told
        who = told["OXTRIO_NAME"], told["OXTRIO_INSTANCE_ID"]
        leads = session == str(pid)
        if leads:
            self.leaders[":".join(who)].add(process.key)
        return Process(pid, parent, born, False, APP, *who, run, leads)

    def _reap(self) -> None:
        for each in self.all:
            if each.dead and each.parent == os.getpid() and each.pid not in self._ours:
                with suppress(ChildProcessError):
                    os.waitpid(each.pid, os.WNOHANG)

    def _note_dead(self) -> None:
        now = time.monotonic()
        apps = {each.pid for each in self.all if each.kind == APP}  # their own are theirs
        waiting = {os.getpid(), *apps}
        theirs = {each.key: each for each in self.all if each.dead and each.parent not in waiting}
        self._dead = {key: self._dead.get(key, now) for key in theirs}
        for key, since in self._dead.items():
            if now - since > LONGEST_DEAD:
                self._dead[key] = now + 1e9
                self.unreaped += 1
                self._wrong(f"{key[0]} is dead, and {theirs[key].parent} does not wait for it")

    def _note_twice(self) -> None:
        """They were not looked at in the same moment: the same two must be there twice."""
        runs: dict[str, dict[str, set[Key]]] = defaultdict(lambda: defaultdict(set))
        for each in self.all:
            if each.kind == APP and (each.leads or each.app not in self._overlapping):
                runs[f"{each.app}:{each.instance}"][each.run].add(each.key)
        before, self._twice = self._twice, {}
        for name, by_run in runs.items():
            if len(by_run) <= (2 if name.partition(":")[0] in self._overlapping else 1):
                continue
            together = frozenset(key for keys in by_run.values() for key in keys)
            if together == before.get(name):
                self.twice += 1
                self._wrong(f"{name} lives twice: {dict(by_run)}")
            self._twice[name] = together


def _below(pid: int) -> Iterator[tuple[int, int, list[str]]]:
    for child in _children(pid):
        with suppress(OSError):
            stat = Path(f"/proc/{child}/stat").read_text(errors="replace")
            yield child, pid, stat.rpartition(")")[2].split()
        yield from _below(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    return found


def _environ(pid: int) -> dict[str, str]:
    with suppress(OSError):
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
    return {}


def _kind(pid: int) -> str:
    """The keeper's command contains that of the supervisor."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        if any(word.endswith("/keeper.py") for word in words):
            return KEEPER
        return SUPERVISOR if "--supervise" in words else OTHER
    return OTHER
