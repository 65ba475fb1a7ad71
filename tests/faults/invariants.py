"""What must be true during and after every fault: who lives, how often, and what is kept open."""

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.e2e.kit import Ox, is_keeper
from tests.e2e.stack import lives

LOOK_EVERY = 0.01
TOLERANCE = 2
"""Descriptors: a client that has just gone, a file that is being written."""

SERVING = r"oxtrio\.entry --supervise|bin/oxtrio .*\brun"

Who = tuple[str, str]
"""What a process says that it is: the name of its app, the number of its instance."""


class Case(Ox):
    """A project that remembers what its supervisor had open when all was well."""

    _well: tuple[psutil.Process, set[str], int] | None = None

    def up(self, text: str, *words: str) -> str:
        said = super().up(text, *words)
        self.well()
        return said

    def well(self) -> None:
        """From now on the supervisor is to have no more open than it has now."""
        supervisor = self.supervisor()
        self._well = supervisor, self._up(), settled_descriptors(supervisor)

    def check(self) -> None:
        super().check()
        self._check_that_it_answers()
        self._check_descriptors()

    def _up(self) -> set[str]:
        return {name for name, row in self.rows().items() if row["pid"] is not None}

    def _check_that_it_answers(self) -> None:
        """G1. Where somebody serves the one project, that somebody answers."""
        if len(list(self.home.glob("run/*/control.sock"))) == 1:
            self.eventually(
                lambda: self.rows() or not any(map(is_serving, self.ours())),
                "the supervisor to answer",
            )

    def _check_descriptors(self) -> None:
        """G4. It does not apply where another supervisor came, or more is up by now."""
        if self._well is None:
            return
        supervisor, names, before = self._well
        if self.rows() and self.supervisor() == supervisor and self._up() <= names:
            self.eventually(
                lambda: descriptors(supervisor) <= before + TOLERANCE,
                f"the supervisor to have {before} descriptors again: {opened(supervisor)}",
            )


class Sampler:
    """Looks all the time who lives of some apps, in a thread of its own."""

    def __init__(self, ox: Ox, names: tuple[str, ...]) -> None:
        self.seen: dict[str, set[int]] = {name: set() for name in names}
        """The leaders that were seen, by the name of the instance as `status` shows it."""
        self.twice: list[str] = []
        self.looks = 0
        self._project = ox.folder.name
        self._strangers = set(_pids()) - {each.pid for each in ox.ours()}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def at_work(self) -> Iterator["Sampler"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._done.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            found = self._look(sorted(set(_pids()) - self._strangers))
            for who, runs in _by_instance(found).items():
                self._note(who, runs)
            self.looks += 1
            self._done.wait(LOOK_EVERY)

    def _note(self, who: Who, runs: dict[str, list[int]]) -> None:
        name = self._shown(who)
        self.seen[name].update(pid for pids in runs.values() for pid in pids)
        if len(runs) > 1:
            # They were not looked at in the same moment: the first must have outlived that.
            again = self._look(sorted(pid for pids in runs.values() for pid in pids))
            if len(still := _by_instance(again).get(who, {})) > 1:
                self.twice.append(f"{name}: {still}")

    def _shown(self, who: Who) -> str:
        return who[0] if who[0] in self.seen else ":".join(who)

    def _look(self, pids: list[int]) -> dict[int, dict[str, str]]:
        found = {}
        for pid in pids:
            given = environ_of(pid)
            who = (given.get("OXTRIO_NAME", ""), given.get("OXTRIO_INSTANCE_ID", ""))
            ours = given.get("OXTRIO_CONFIG", "").find(self._project) >= 0
            if ours and self._shown(who) in self.seen and _is_leader(pid):
                found[pid] = given
        return found


@contextmanager
def never_two(ox: Ox, *names: str) -> Iterator[Sampler]:
    """Fails when two runs of an instance live at once; *names* as `status` shows them."""
    with Sampler(ox, names).at_work() as sampler:
        yield sampler
        ox.eventually(lambda: sampler.looks > 2, "some looks")
    assert sampler.twice == [], f"two at once: {sampler.twice}"


def who_lives(ox: Ox, name: str) -> list[int]:
    """The pids of all that live of the app *name*: leaders, and what they have started."""
    pids = [each.pid for each in ox.ours()]
    return [pid for pid in pids if environ_of(pid).get("OXTRIO_NAME") == name]


def environ_of(pid: int) -> dict[str, str]:
    """What *pid* was started with; empty when it has ended, or nobody may know."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
    return {}


def opened(process: psutil.Process) -> list[str]:
    """What *process* has open, in words."""
    found = []
    for path in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(path.readlink()))
    return sorted(found)


def descriptors(process: psutil.Process) -> int:
    """How many it has open. Regular files, such as logs, count when they are open twice.

    They are opened with the first line, which may come later than the first look.
    """
    counts = Counter(opened(process))
    return sum(count - (name[0] == "/" and os.path.isfile(name)) for name, count in counts.items())


def settled_descriptors(process: psutil.Process) -> int:
    """The same, without those of clients that are just leaving."""
    counts = []
    for _ in range(4):
        counts.append(descriptors(process))
        time.sleep(LOOK_EVERY)
    return min(counts)


def cpu_ticks(pid: int) -> int:
    """How much it has worked, in hundredths of a second."""
    spent = psutil.Process(pid).cpu_times()
    return round(100 * (spent.user + spent.system))


def is_serving(process: psutil.Process) -> bool:
    """Whether it is a supervisor of a project; neither a keeper nor a command."""
    with suppress(psutil.NoSuchProcess):
        line = " ".join(process.cmdline())
        return bool(re.search(SERVING, line)) and not is_keeper(process)
    return False


def _by_instance(found: dict[int, dict[str, str]]) -> dict[Who, dict[str, list[int]]]:
    """The pids by instance and run."""
    told: dict[Who, dict[str, list[int]]] = {}
    for pid, given in found.items():
        runs = told.setdefault((given["OXTRIO_NAME"], given["OXTRIO_INSTANCE_ID"]), {})
        runs.setdefault(given.get("OXTRIO_RUN_ID", ""), []).append(pid)
    return told


def _is_leader(pid: int) -> bool:
    """Whether it leads a session; the shell that a health check begins with does not count."""
    with suppress(OSError, psutil.NoSuchProcess):
        return os.getsid(pid) == pid and lives(psutil.Process(pid))
    return False


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())
