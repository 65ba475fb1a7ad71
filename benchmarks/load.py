"""Full speed against one address, from a process of its own, and what became of every request.

For the benchmarks and for the tests:

    with start(LoadSpec("127.0.0.1:8000", keep_alive=True)) as load:
        load.wait_answers(100)
        ...
        outcome = load.stop().whole
    assert outcome.failed == {}
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.failure import Failed
from benchmarks.outcome import Record, read

_CLIENT = Path(__file__).parent / "programs" / "client.py"
MOST = 16


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What is asked for: `concurrency` requests at a time for `path`, each of them `GET`.

    `address` is `host:port`, `[host]:port` or `unix:/path`; the host is an IP address. Without
    `keep_alive` each request has a connection of its own. Seconds: after `patience` an answer is
    given up, and `pause` is what each of the concurrent clients waits after an answer.
    """

    address: str
    path: str = "/"
    concurrency: int = 8
    keep_alive: bool = False
    patience: float = 10.0
    pause: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MOST:
            raise ValueError(f"{self.concurrency} at a time: from 1 to {MOST} are allowed")

    def as_json(self) -> str:
        family, address = _split(self.address)
        return json.dumps(asdict(self) | {"family": family, "address": address})


class Load:
    """A client at work. At the end of its block it is gone, whatever has happened."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self._client = subprocess.Popen(
            [sys.executable, "-ES", str(_CLIENT), spec.as_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # Ctrl-C is for the one who started it, who then ends it.
            start_new_session=True,
        )
        self._record: Record | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._client.kill()
        self._client.wait()
        for pipe in (self._client.stdin, self._client.stdout, self._client.stderr):
            assert pipe is not None
            pipe.close()

    def so_far(self) -> tuple[int, int]:
        """How many requests were answered, and how many failed. Raises `Failed`."""
        assert self._client.stdout is not None
        self._say(b"?\n")
        line = b""
        while not line.endswith(b"\n"):
            said = self._client.stdout.read(100)
            if not said:
                raise self._ended()
            line += said
        answered, failed = map(int, line.split())
        return answered, failed

    def wait_answers(self, count: int, within: float = 60) -> None:
        """Return when *count* more requests have been answered. Raises `Failed` after *within*."""
        deadline = time.monotonic() + within
        first, failed_first = self.so_far()
        while True:
            answered, failed = self.so_far()
            if answered - first >= count:
                return
            if time.monotonic() > deadline:
                raise Failed(
                    f"only {answered - first} of {count} requests were answered within "
                    f"{within:g} s; {failed - failed_first} failed"
                )
            time.sleep(0.01)

    def stop(self) -> Record:
        """Let no request begin any more, wait for those under way; the same answer ever after.

        Takes up to `patience`. Raises `Failed` where the client itself could not work.
        """
        if self._record is None:
            try:
                written, said = self._client.communicate(b".\n", self.spec.patience + 30)
            except subprocess.TimeoutExpired:
                raise Failed("the client does not end") from None
            if self._client.returncode:
                raise Failed(_last_words(said))
            self._record = read(written)
        return self._record

    def _say(self, text: bytes) -> None:
        assert self._client.stdin is not None
        try:
            self._client.stdin.write(text)
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> Failed:
        assert self._client.stderr is not None
        return Failed(_last_words(self._client.stderr.read()))


def start(spec: LoadSpec) -> Load:
    """Begin at once; nothing has been answered yet when it returns."""
    return Load(spec)


def _last_words(said: bytes) -> str:
    return f"the client has ended: {said.decode().strip()[-300:]}"


def _split(address: str) -> tuple[str, str | tuple[str, int]]:
    """The family and what is connected to."""
    if address.startswith("unix:"):
        return "unix", address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        return "inet6", (host.strip("[]"), int(port))
    return "inet", (host, int(port))
