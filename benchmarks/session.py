"""One supervisor at work in a folder of its own, and its certain end."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP

from benchmarks.announcements import Announcements
from benchmarks.failure import Failed
from benchmarks.interpreter import plain_environ
from benchmarks.peers.peer import Argv, Peer, Setup
from benchmarks.processes import descendants, end_descendants
from benchmarks.workload import App


@dataclass(slots=True)
class Session:
    """A supervisor that has been told to start, with all its apps."""

    folder: Path
    setup: Setup
    said: Announcements
    began: float
    """Monotonic, just before the command."""
    server: subprocess.Popen[bytes]

    def command(self, argv: Argv) -> subprocess.Popen[bytes]:
        """Start a command of this supervisor."""
        with (self.folder / "commands").open("ab") as output:
            return subprocess.Popen(
                argv,
                env=_environ(self.setup),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def timed(self, argv: Argv) -> float:
        """How long a command takes from its start to its end. Raises `Failed` where it fails."""
        began = time.monotonic()
        code = self.command(argv).wait(60)
        took = time.monotonic() - began
        if code:
            raise Failed(f"`{' '.join(argv[-2:])}` ended with {code}: {self.last_words()}")
        return took

    def stop_apps(self) -> subprocess.Popen[bytes] | None:
        """Have all apps stopped; the command that does it, where it needs one."""
        if self.setup.stop is not None:
            return self.command(self.setup.stop)
        self.server.terminate()
        return None

    def own_processes(self) -> list[int]:
        """All that runs but is no app."""
        apps = {run.pid for run in self.said.runs.values()}
        return [pid for pid in descendants() if pid not in apps]

    def reload(self, name: str) -> int | None:
        """Put new code of *name* into service; the exit code, None where a signal does it.

        Returns when the command has ended, or after a signal when whoever ran before it is gone.
        """
        if self.setup.reload is not None:
            return self.command(self.setup.reload(name)).wait(120)
        before = set(descendants(self.server.pid))
        self.server.send_signal(SIGHUP)
        deadline = time.monotonic() + 60
        while self.server.poll() is None and before.intersection(descendants(self.server.pid)):
            if time.monotonic() > deadline:
                raise Failed("whoever ran before the signal is still there after 60 s")
            time.sleep(0.02)
        return None

    def last_words(self) -> str:
        """The end of what was written by the supervisor, and by its commands."""
        files = [self.folder / name for name in ("errors", "commands")]
        said = [path.read_text(errors="replace").strip()[-200:] for path in files if path.exists()]
        return " | ".join(filter(None, said))


@contextmanager
def session(
    peer: Peer, workload: Callable[[Path], Sequence[App]], *, foreground: bool = False
) -> Iterator[Session]:
    """Start *peer* with *workload* (made for the pipe that it announces itself in).

    At the end everything that was started is killed and the folder removed.
    """
    folder = Path(tempfile.mkdtemp(prefix="oxb-"))
    try:
        with Announcements(folder / "said") as said:
            setup = peer.prepare(folder, workload(said.path))
            began = time.monotonic()
            server = _start(setup.foreground if foreground else setup.serve, setup, folder)
            try:
                yield Session(folder, setup, said, began, server)
            finally:
                end_descendants()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(argv: Argv, setup: Setup, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output").open("ab") as output, (folder / "errors").open("ab") as errors:
        return subprocess.Popen(
            argv,
            env=_environ(setup),
            cwd=setup.folder or folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )


def _environ(setup: Setup) -> dict[str, str]:
    return plain_environ() | dict(setup.environ)
