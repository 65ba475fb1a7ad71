"""What must never run twice never does, not for a moment: celery beat, and `reload = "restart"`."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.kit import PYTHON, Ox
from tests.e2e.processes import eventually

pytestmark = pytest.mark.slow

LOCKING = """
import fcntl, os
from pathlib import Path

lock = open({lock!r}, "a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    Path({two!r}).touch()
"""
"""Tells when somebody else has it; it is kept until the last process of the app has ended."""

BEAT = "celery -A tasks beat --loglevel=info"
RELOADS = 5


class Sampler:
    """Looks all the time for two processes of one command among the children of *parent*."""

    def __init__(self, parent: int, words: dict[str, str]) -> None:
        self.looks = 0
        self.twice: list[str] = []
        self.seen: dict[str, set[int]] = {name: set() for name in words}
        self._words, self._parent, self._done = words, parent, threading.Event()
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
            for name, pids in self._look().items():
                self.seen[name].update(pids)
                # They were not looked at in the same moment: the first must have outlived that.
                if len(pids) > 1 and len({*pids} & {*self._look()[name]}) > 1:
                    self.twice.append(f"{name}: {pids}")
            self.looks += 1
            self._done.wait(0.003)

    def _look(self) -> dict[str, list[int]]:
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children")
        found: dict[str, list[int]] = {name: [] for name in self._words}
        for pid in map(int, children.read_text().split()):
            with suppress(OSError):  # it has just ended; a zombie has no command any more
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                for name, words in self._words.items():
                    if words in line and "oxtrio" not in line:
                        found[name].append(pid)
        return found


def test_no_reload_restart_or_crash_ever_shows_two_copies(ox: Ox):
    """beat is that of the article; `one` could overlap if it were not told to restart."""
    locks = {name: str(ox.folder / f"{name}.lock") for name in ("beat", "one", "deaf")}
    two = {name: str(ox.folder / f"{name}.two") for name in locks}
    programs = {name: LOCKING.format(lock=locks[name], two=two[name]) for name in locks}
    app = "\nfrom celery import Celery\napp = Celery(broker='memory://')\n"
    ox.write(programs["beat"] + app, "tasks.py")
    wait = "import signal\nprint('up', flush=True)\nsignal.pause()\n"
    ox.write(programs["one"] + wait, "one.py")
    # It takes its time, which is the moment in which two could meet.
    deaf = "import signal\nsignal.signal(15, lambda *_: None)\nprint('up', flush=True)\n"
    ox.write(programs["deaf"] + deaf + "while True: signal.pause()\n", "deaf.py")
    ready = 'health_check = { log_line = "up" }\n'
    ox.up(
        f'[processes.beat]\ncommand = "{BEAT}"\nrestart_on_exit = true\ninstances = 1\n'
        f'health_check = {{ log_line = "beat: Starting" }}\n'
        f'[processes.one]\ncommand = "{PYTHON} one.py"\nreload = "restart"\n{ready}'
        f'[processes.deaf]\ncommand = "{PYTHON} deaf.py"\nreload = "restart"\n'
        f"stop_timeout_ms = 200\n{ready}"
    )
    apps = ("beat", "one", "deaf")
    words = {"beat": "beat --loglevel=info", "one": "one.py", "deaf": "deaf.py"}
    assert {ox.rows()[name]["reload"] for name in apps} == {"restart"}
    pids = [{name: ox.pid(name) for name in apps}]

    with Sampler(ox.supervisor().pid, words).at_work() as sampler:
        for _ in range(RELOADS):
            ox.done("reload", *apps)
            pids.append({name: ox.pid(name) for name in apps})
        ox.done("restart", *apps)
        pids.append({name: ox.pid(name) for name in apps})
        for pid in pids[-1].values():
            os.kill(pid, signal.SIGKILL)
        pids.append(
            {name: ox.becomes(name, "running", after=pids[-1][name])["pid"] for name in apps}
        )
        seen = sampler.seen
        for name in apps:
            eventually(lambda name=name: pids[-1][name] in seen[name], f"a look at {name}")

    assert sampler.twice == []
    assert [name for name, path in two.items() if os.path.exists(path)] == []
    for name in apps:
        lives = [each[name] for each in pids]
        assert len(set(lives)) == len(lives) == RELOADS + 3
        assert seen[name] >= set(lives[1:-1])
    assert sampler.looks > RELOADS


def test_reloads_of_it_at_once_show_no_two_copies_either(ox: Ox):
    lock, two = ox.folder / "lock", ox.folder / "two"
    program = LOCKING.format(lock=str(lock), two=str(two))
    ox.write(program + "import signal\nsignal.pause()\n", "one.py")
    text = f'[processes.one]\ncommand = "{PYTHON} one.py"\nreload = "restart"\nstart_secs = 0.1\n'
    ox.up(text)
    before = ox.pid("one")

    with Sampler(ox.supervisor().pid, {"one": "one.py"}).at_work() as sampler:
        orders = ("reload", "restart", "reload", "restart")
        ended = [ox.foreground(verb, "one") for verb in orders]
        codes = {each.ends() for each in ended}
        after = ox.becomes("one", "running", after=before)["pid"]
        eventually(lambda: after in sampler.seen["one"], "a look at the last one")

    assert codes <= {0, 1}
    assert sampler.twice == []
    assert not two.exists()


def test_an_overlap_that_was_asked_for_is_what_the_sampler_would_see(ox: Ox):
    """A sampler that cannot find two proves nothing."""
    slow = "import signal, sys\nsignal.signal(15, lambda *_: None)\nprint('up', flush=True)\n"
    ox.write(slow + "while True: signal.pause()\n", "two.py")
    ox.up(
        f'[processes.two]\ncommand = "{PYTHON} two.py"\nreload = "overlap"\n'
        'stop_timeout_ms = 500\nhealth_check = { log_line = "up" }\n'
    )

    with Sampler(ox.supervisor().pid, {"two": "two.py"}).at_work() as sampler:
        ox.done("reload", "two")

    assert sampler.twice
