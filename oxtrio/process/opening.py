"""The beginning of a run, and its end: everything of it is opened here, and closed."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.logs.sink import Sink
from oxtrio.policy.versions import version_of, version_of_environment
from oxtrio.process.output import Output, Tail, kept_names, open_output, reading, remove_marks
from oxtrio.process.preparation import Preparation
from oxtrio.process.record import Record, RecordFile
from oxtrio.process.recovery import reopen_output
from oxtrio.process.run import Owner, Run
from oxtrio.process.voice import Voice
from oxtrio.system.clock import real_time
from oxtrio.system.proc import boot_id


@asynccontextmanager
async def open_run(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink]
) -> AsyncIterator[Run]:
    """Spawn a run, read its output inside, and end it on leaving. Raises `SpawnFailed`.

    Leaving, also by cancellation, stops the run: it never returns while something of the run
    lives, but for what survives SIGKILL (`run.is_empty` tells).
    """
    run, outputs = _begin(owner, preparation, sinks)
    async with _opened(run, outputs, preparation):
        yield run


@asynccontextmanager
async def adopt_run(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink], record: Record
) -> AsyncIterator[Run]:
    """Go on with a run that an earlier supervisor spawned, as if it were our own.

    It may have ended since: then its last words are still read, and its end is told. Leaving
    is as with `open_run`. Raises `SpawnFailed` where its output cannot be read.
    """
    run, outputs = _adopt(owner, preparation, sinks, record)
    # Whoever is cancelled still owes it a proper end, and must see that.
    watching = trio.CancelScope(shield=True)

    async def watch() -> None:
        with watching:
            await run.child.wait_end_elsewhere()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)  # noqa: ASYNC113 - an end that comes first is seen all the same
        try:
            async with _opened(run, outputs, preparation):
                yield run
        finally:
            watching.cancel()


@asynccontextmanager
async def _opened(
    run: Run, outputs: Sequence[Output], preparation: Preparation
) -> AsyncIterator[None]:
    """Read its output inside; end it on leaving, and close everything of it."""
    around, place = preparation.surroundings, preparation.place
    run.place, run.outputs = place, outputs
    if place is not None:
        place.enter()
    try:
        async with reading(outputs):
            try:
                yield
            finally:
                await run.stop()  # noqa: ASYNC102 - shields and bounds itself
                run.ended.set()
    finally:
        for name in kept_names(run.run_id):
            around.keepsakes.drop(name)
        for output in outputs:
            output.close()
        remove_marks(around.runs, run.run_id)
        if run.voice is not None:
            run.voice.close()
        if place is not None:
            place.exit()
        if run.is_empty:
            run.let_go()


def _adopt(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink], record: Record
) -> tuple[Run, list[Output]]:
    around, tail = preparation.surroundings, Tail()
    try:
        outputs = reopen_output(around, record.run_id, sinks, tail, record.pid)
    except OSError as error:
        raise SpawnFailed(f"cannot read its output any more: {error.strerror}") from error
    voice = _voice(preparation, record.run_id, outputs)
    child = around.children.adopt(record.pid, record.started)
    kin = around.containment.admit(record.run_id, child)
    around.containment.find_house(kin)
    kin.seen.update(record.seen)
    run = Run(owner, preparation, kin, RecordFile.of(around.runs, replace(record, seen=())), tail)
    run.voice = voice
    run.spawned_at, run.began = trio.current_time() - record.age, real_time() - record.age
    if record.main_pid:
        run.main.name(record.main_pid)
    if record.ready:
        run.was_ready()
        if voice is not None:
            voice.was_ready()
    run.child.look_whether_paused()
    return run, outputs


def _begin(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink]
) -> tuple[Run, list[Output]]:
    # No await in here: the child is registered, attributed and read before anything else runs.
    around = preparation.surroundings
    if not around.children.limit.room_for_runs():
        raise SpawnFailed("too many open files", "raise the limit of the supervisor: ulimit -n")
    run_id = secrets.token_hex(8)
    tail = Tail()
    with ExitStack() as undo:
        outputs = _outputs(preparation, run_id, sinks, tail)
        undo.callback(remove_marks, around.runs, run_id)
        for output in outputs:
            undo.callback(output.close)
        record = RecordFile(around.runs, _record_of(owner, preparation, run_id))
        undo.callback(record.remove)
        voice = _voice(preparation, run_id, outputs)
        if voice is not None:
            undo.callback(voice.close)
        stdout, stderr = (output.pipe.writing for output in outputs)
        launch = preparation.launch(run_id, stdout, stderr, voice.env if voice else None)
        if launch.identity is not None:
            for output in outputs:
                output.pipe.allow(launch.identity.uid)
        child = around.children.spawn(launch)
        undo.pop_all()
    record.spawned(child.pid, child.started)
    for name, output in zip(kept_names(run_id), outputs, strict=True):
        output.pipe.spawned()
        around.keepsakes.keep(name, output.pipe.reading)
    kin = around.containment.admit(run_id, child)
    around.containment.house(kin)
    run = Run(owner, preparation, kin, record, tail)
    run.voice = voice
    return run, outputs


def _voice(preparation: Preparation, run_id: str, outputs: Sequence[Output]) -> Voice | None:
    """What listens to the run, where it is asked to say something of itself."""
    ready = preparation.spec.ready
    if not ready.notify and ready.log_line is None:
        return None
    keepsakes = preparation.surroundings.keepsakes
    voice = Voice(run_id, ready, preparation.spec.stop, preparation.uid, keepsakes)
    for output in outputs:
        output.hear = voice.listener()
    return voice


def _record_of(owner: Owner, preparation: Preparation, run_id: str) -> Record:
    spec, place = preparation.spec, preparation.place
    return Record(
        run_id=run_id,
        name=owner.name,
        boot_id=boot_id(),
        stop_signal=spec.stop.signal,
        stop_timeout=spec.stop.timeout,
        app=spec.name,
        instance=preparation.instance,
        version=version_of(spec),
        environment=version_of_environment(preparation.inherited),
        held=place.held if place is not None else (),
        listens=place.listens if place is not None else (),
        newcomer=preparation.is_newcomer,
        counts=owner.counts,
    )


def _outputs(
    preparation: Preparation, run_id: str, sinks: Sequence[Sink], tail: Tail
) -> list[Output]:
    around = preparation.surroundings
    # A full or vanished runtime folder must not keep an app down: then its pipes have no name.
    with suppress(OSError):
        return open_output(around, around.runs, run_id, sinks, tail)
    try:
        return open_output(around, None, run_id, sinks, tail)
    except OSError as error:
        raise SpawnFailed(f"cannot make the pipes of a run: {error.strerror}") from error
