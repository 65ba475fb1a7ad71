"""All logs of one project: who writes where, what must be tried again, what can be read."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, NoReturn, TypeVar

import trio

from oxtrio.logs.backlog import Room
from oxtrio.logs.compress import clean_up, compress_rotated
from oxtrio.logs.dates import date_prefix
from oxtrio.logs.file import LogFile
from oxtrio.logs.hub import BACKLOG, Hub
from oxtrio.logs.index import Writer
from oxtrio.logs.paths import Route, route_of, routes_of
from oxtrio.logs.sink import Output, Sink
from oxtrio.logs.target import real_path, true_name
from oxtrio.logs.tracks import LogOf, Snapshot
from oxtrio.model.log import Chunk, Skipped, Stream
from oxtrio.model.spec import AppSpec

FLUSH_WITHIN = 2.0
"""Seconds that closing may take."""
WARN_EVERY = 60.0
"""Seconds before the same warning is given again."""

T = TypeVar("T")
Wanted = tuple[AppSpec, frozenset[int] | None]
"""An app, and which of its instances; None: all."""


@asynccontextmanager
async def open_store(
    default_dir: str | None, warn: Callable[[str], None]
) -> AsyncIterator["LogStore"]:
    """The logs of a project; *default_dir* holds those that the oxfile does not name.

    Leaving it writes what waits in memory, for at most two seconds, and closes all files.
    """
    store = LogStore(default_dir, warn)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.serve_retries)
        nursery.start_soon(store.serve_compression)
        try:
            yield store
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FLUSH_WITHIN):
                await store.flush()
            store.close()
            nursery.cancel_scope.cancel()


class LogStore:
    """Owns every log file of a project, and the hub through which live output goes."""

    def __init__(self, default_dir: str | None, warn: Callable[[str], None]) -> None:
        self.hub = Hub()
        self._default_dir = default_dir
        self._warn = warn
        self._warned: dict[str, float] = {}
        self._files: dict[str, LogFile] = {}
        """By their true names: two writers of one file would rotate it away from each other."""
        self._outputs: dict[str, Output] = {}
        self._rooms: dict[str, Room] = {}
        self._to_retry: _Pending[LogFile] = _Pending()
        self._retried: set[LogFile] = set()
        """Those that will be tried again soon."""
        self._to_compress: _Pending[LogFile] = _Pending()

    def sink(
        self, app: AppSpec, instance: int, stream: Stream, *, name: str = "", resumes: bool = False
    ) -> Sink:
        """Where this output goes; give it back with `release`.

        *name* is what `status` calls the instance. *resumes*: the run was there before this
        supervisor, and may be inside a line.
        """
        output = self._outputs.setdefault(app.name, Output(app.name, self.hub))
        writer = Writer(instance, stream)
        route = route_of(app, instance, stream, self._default_dir)
        if route is None:
            output.is_in_files = False
            return Sink(output, writer, None)
        file = self._file(app, real_path(route.path))
        date = date_prefix(app.logs.date_format) if app.logs.date_format else None
        sink = Sink(output, writer, file, shared=route.shared or file.users > 1, date=date)
        if resumes:
            sink.resume(inside_line=False)
        return sink

    def release(self, sink: Sink) -> None:
        """Nothing more comes through *sink*; its file is closed when nobody else writes to it."""
        if sink.file is not None:
            sink.file.users -= 1
            self._close_unused(sink.file)

    def reopen(self) -> None:
        """Go on in the files that have the names now, after somebody moved the old ones away."""
        for file in self._files.values():
            file.volume.reopen()

    def warnings(self) -> tuple[str, ...]:
        """What cannot be done at present, one sentence each."""
        return tuple(text for file in self._files.values() for text in file.troubles())

    def logs_of(self, app: AppSpec, instances: frozenset[int] | None = None) -> LogOf:
        """All output of *app* up to now, for `search`; of *instances* only, where given."""
        return self._snapshot(app).taken(instances, with_unfinished=True)

    @contextmanager
    def follow(
        self, wanted: Sequence[Wanted], *, backlog: int = BACKLOG
    ) -> Iterator[tuple[tuple[LogOf, ...], AsyncIterator[Chunk | Skipped]]]:
        """The output up to now, for `search`, and all that follows: nothing twice, nothing lost.

        A line that is not complete now is the beginning of what follows.
        """
        snapshots = [(self._snapshot(app), instances) for app, instances in wanted]
        history = tuple(
            snapshot.taken(instances, with_unfinished=False) for snapshot, instances in snapshots
        )
        asked = {log.app: log.instances for log in history}

        def wants(app: str, instance: int) -> bool:
            return app in asked and ((only := asked[app]) is None or instance in only)

        begun = [
            Chunk(line.at, line.app, line.instance, line.stream, line.data)
            for snapshot, _ in snapshots
            for line in snapshot.unfinished
            if wants(line.app, line.instance)
        ]
        # No await since the snapshots: what is published from here on is in none of them.
        with self.hub.follow(wants, backlog=backlog, first=begun) as live:
            yield history, live

    def recent(self) -> Iterator[Chunk]:
        """The last output of each app of which not all is in files: 64 KiB each at most."""
        for output in self._outputs.values():
            if not output.is_in_files:
                yield from output.ring.chunks()

    def recall(self, chunks: Iterable[Chunk]) -> None:
        """What was `recent` before this program took the place of another one."""
        for each in chunks:
            output = self._outputs.setdefault(each.app, Output(each.app, self.hub))
            output.is_in_files = False
            output.ring.add(each.at, each.instance, each.stream, each.data)

    def needs_retry(self, file: LogFile) -> None:
        """*file* could not be written: try it again, once a second or as soon as it is read."""
        self._to_retry.add(file)

    def has_rotated(self, file: LogFile) -> None:
        """There is something to compress, where that is asked for."""
        if file.spec.compress:
            self._to_compress.add(file)

    def warn(self, text: str) -> None:
        """Say *text*, unless that was said a short while ago."""
        now = trio.current_time()
        self._warned = {said: at for said, at in self._warned.items() if now - at < WARN_EVERY}
        if text not in self._warned:
            self._warned[text] = now
            self._warn(text)

    async def serve_retries(self) -> NoReturn:
        """Try again what could not be written; asleep while there is nothing."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._to_retry.wait()
                for file in self._to_retry.take():
                    if file not in self._retried:
                        self._retried.add(file)
                        nursery.start_soon(self._retry, file)

    async def _retry(self, file: LogFile) -> None:
        await file.wait_retry()
        self._retried.discard(file)
        file.retry()
        self._close_unused(file)

    async def serve_compression(self) -> NoReturn:
        """Compress what was rotated, one file at a time."""
        while True:
            await self._to_compress.wait()
            for file in self._to_compress.take():
                await compress_rotated(file.path, file.volume.moves)

    @property
    def is_waiting(self) -> bool:
        """Whether output waits in memory for a file that cannot be written."""
        return any(file.backlog for file in self._files.values())

    async def flush(self) -> None:
        """Return when nothing waits in memory any more. Cancelling it loses what waits."""
        while files := [file for file in self._files.values() if file.backlog]:
            for file in files:
                file.retry()
            await trio.sleep(0.05)

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, app: AppSpec, path: str) -> LogFile:
        file = self._files.get(name := true_name(path))
        if file is None:
            room = self._rooms.setdefault(app.name, Room())
            if app.logs.compress:
                clean_up(path)
            file = self._files[name] = LogFile(path, app.logs, room, self)
        else:
            file.apply(app.logs)
        file.users += 1
        self.has_rotated(file)
        return file

    def _close_unused(self, file: LogFile) -> None:
        if file.users == 0 and not file.backlog and file in self._files.values():
            file.close()
            self._files = {name: each for name, each in self._files.items() if each is not file}

    def _snapshot(self, app: AppSpec) -> Snapshot:
        output = self._outputs.get(app.name)
        snapshot = Snapshot(app.name, output.ring if output else None)
        routes = routes_of(app, self._default_dir)
        for route in routes:
            path = real_path(route.path)
            snapshot.add(route, path, self._files.get(true_name(path)))
        for stream in Stream:
            if route_of(app, 0, stream, self._default_dir) is None:
                snapshot.add_recent(Route("", None, stream))
        return snapshot


class _Pending(Generic[T]):
    """Things that a task takes when there are any."""

    def __init__(self) -> None:
        self._things: dict[T, None] = {}
        self._some = trio.Event()

    def add(self, thing: T) -> None:
        self._things[thing] = None
        self._some.set()

    async def wait(self) -> None:
        await self._some.wait()

    def take(self) -> tuple[T, ...]:
        things, self._things, self._some = tuple(self._things), {}, trio.Event()
        return things
