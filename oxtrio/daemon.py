"""The top nursery: it owns the control socket, the health checkers and the signal handling.

The one file that knows all parts. Blocks nest in the order in which they outlive each other:
the reaper and the logs are opened first and closed last; control and signals live until the
last app is gone and the last reply is sent; monitors end when the stopping begins.
"""

import math
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from oxtrio import __version__
from oxtrio.assembly import Setup, is_steered, prepare_probes, supervisor_of
from oxtrio.attendants import Obedience, keep_running, tell_nobody
from oxtrio.control.listener import open_listener
from oxtrio.control.server import ControlServer, serve_control
from oxtrio.errors import OxtrioError
from oxtrio.logs.display import Display
from oxtrio.logs.store import LogStore, open_store
from oxtrio.model.exit import signal_name
from oxtrio.model.order import Order, Verb
from oxtrio.model.spec import OnCrash
from oxtrio.monitors.health import watch_health
from oxtrio.monitors.usage import watch_usage
from oxtrio.monitors.viewers import Viewers
from oxtrio.process.record import Record
from oxtrio.supervisor.adopting import (
    Estate,
    Remains,
    estate_of_handover,
    presumed,
    settle_estate,
    take_over,
)
from oxtrio.supervisor.ending import Ending
from oxtrio.supervisor.memory import Memory
from oxtrio.supervisor.narration import narrate
from oxtrio.supervisor.remembered import Remembered, Versions
from oxtrio.supervisor.remembering import remember
from oxtrio.supervisor.retrieving import retrieve_sockets
from oxtrio.supervisor.supervisor import Supervisor, open_supervisor
from oxtrio.supervisor.unrecorded import record_again
from oxtrio.system import signals
from oxtrio.system.keepsakes import Keeper
from oxtrio.system.owner import Owner, open_owner
from oxtrio.systemd import Herald
from oxtrio.upgrade import Upgrade

IN_ORDER = 0.8
"""Share of the bound of a shutdown in which apps wait for those that depend on them."""
LAST_REPLIES = 2.0
"""Seconds in which the last answers of the control socket may go out."""
WITHOUT_KEEPER = (
    "its keeper is gone: a crash of the supervisor lasts until somebody calls oxtrio start; "
    "oxtrio stop, then oxtrio start bring a keeper back"
)
LAST_KILLS = 2.0
"""Seconds in which what has hidden from its run may take to be gone."""


async def run_daemon(setup: Setup) -> int:
    """Run everything until told to stop; the exit code. Cancelling stops all apps first."""
    signals.reset_dispositions()
    await prepare_probes(setup.config)
    estate = await _settle(setup)
    async with (
        open_owner(setup.seat.handed.expected if setup.seat.handed else None) as children,
        open_store(setup.default_logs, setup.say) as logs,
        _showing(setup.display, logs),
    ):
        _recall(setup, estate, children, logs)
        supervisor = supervisor_of(setup, children, logs)
        memory, containment = _go_on(supervisor, setup, estate), supervisor.around.containment
        upgrade = supervisor.successor = Upgrade(setup.seat, supervisor, children)
        viewers = Viewers()
        ending = Ending(supervisor, when_all_ended=setup.start)
        supervisor.freshen = viewers.wait_fresh
        herald = Herald(setup.environ, supervisor, setup.seat.keeper.pid)
        async with trio.open_nursery() as top:
            passing, passed_on = trio.open_memory_channel[int](math.inf)
            top.start_soon(_watch_keeper, setup, children, supervisor, passing.send_nowait)
            top.start_soon(memory.serve)
            top.start_soon(_narrate, setup, supervisor)
            top.start_soon(keep_running, "containment", containment.serve, supervisor)
            async with open_supervisor(supervisor):
                listener = open_listener(setup.folders.socket, _handed(setup, "control"))
                control = await top.start(serve_control, listener, supervisor, supervisor.report)
                obedience = Obedience(setup.say, supervisor, ending, herald)
                await top.start(obedience.serve, passed_on)
                signals.unblock()
                top.start_soon(upgrade.serve, control, herald)
                if herald.is_heard:
                    top.start_soon(keep_running, "herald", herald.serve, supervisor)
                _announce(setup, supervisor, herald)
                await _watch_until_shutdown(setup, supervisor, viewers, ending, herald)
                herald.stopping(ending.exit_code)
                await _stop_all(supervisor, control, children)
                supervisor.journal.record("", "ended", reason="supervisor ended", pid=os.getpid())
            top.cancel_scope.cancel()
    signals.ignore()
    return ending.exit_code


def _recall(setup: Setup, estate: Estate, children: Owner, logs: LogStore) -> None:
    """What an earlier supervisor, or its keeper, has told."""
    if setup.seat.handed is not None:
        logs.recall(setup.seat.handed.chunks)
    keeper = setup.seat.keeper
    told = {**keeper.exits, **estate.exits}
    children.have_keeper(keeper.pid, told, [each.pid for each in estate.runs])


async def _narrate(setup: Setup, supervisor: Supervisor) -> None:
    await narrate(supervisor.journal, setup.config.supervisor.log_level, setup.say)


def _announce(setup: Setup, supervisor: Supervisor, herald: Herald) -> None:
    """It is up, and answers: tell whoever wants to know."""
    handed = setup.seat.handed
    if setup.on_ready is not None:
        setup.on_ready()
    if setup.on_ready is not None or handed is not None:
        herald.ready()
    if handed is not None:
        text = f"oxtrio {handed.version} was replaced by {__version__}; everything runs on"
        supervisor.journal.record("", "upgraded", reason=text, pid=os.getpid())
        setup.say(text)
        return
    for notice in supervisor.notices:
        supervisor.journal.record("", "notice", reason=notice)
    supervisor.journal.record("", "started", reason="supervisor started", pid=os.getpid())


async def _watch_until_shutdown(
    setup: Setup, supervisor: Supervisor, viewers: Viewers, ending: Ending, herald: Herald
) -> None:
    """Monitors run inside; they are the first to be cancelled."""
    report = supervisor.report

    async def health() -> None:
        with supervisor.runs() as runs:
            await watch_health(runs, report)

    async def usage() -> None:
        with supervisor.runs() as runs:
            await watch_usage(runs, viewers, report)

    async with trio.open_nursery() as monitors:
        for name, monitor in (("health", health), ("usage", usage)):
            monitors.start_soon(keep_running, name, monitor, supervisor)
        monitors.start_soon(ending.watch)
        if setup.start and setup.seat.handed is None:
            monitors.start_soon(_start_all, setup, supervisor, ending, herald)
        await supervisor.shutdown_asked.wait()
        monitors.cancel_scope.cancel()


async def _start_all(setup: Setup, supervisor: Supervisor, ending: Ending, herald: Herald) -> None:
    try:
        await supervisor.carry_out(Order(verb=Verb.START, names=setup.names), tell_nobody)
    except OxtrioError as error:
        if supervisor.stopping:
            return
        setup.say(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        ending.decided = error.exit_code
        supervisor.shutdown(kill=False)
        return
    herald.ready()


async def _stop_all(supervisor: Supervisor, control: ControlServer, children: Owner) -> None:
    """Stop every app, within the bound of the project, and answer until the end."""
    bound = supervisor.config.supervisor.stop_timeout
    with trio.move_on_after(float("inf") if bound is None else bound * IN_ORDER) as patience:
        await supervisor.stop_all()
    if patience.cancelled_caught and bound is not None:
        # Whose turn has not come yet may still put things in order before it is killed.
        with trio.move_on_after(bound * (1 - IN_ORDER)) as patience:
            await supervisor.stop_all(in_order=False)
    if patience.cancelled_caught:
        supervisor.journal.record("", "stop-timeout", reason=f"not stopped within {bound:g} s")
        supervisor.shutdown(kill=True)
        await supervisor.stop_all()
    with trio.move_on_after(LAST_REPLIES):
        await control.finish()
    with trio.move_on_after(LAST_KILLS):
        await children.end_orphans()


def _handed(setup: Setup, name: str) -> int | None:
    """A descriptor of the program whose place we have taken."""
    return setup.seat.handed.descriptor(name) if setup.seat.handed is not None else None


async def _settle(setup: Setup) -> Estate:
    if setup.seat.handed is not None:
        await trio.lowlevel.checkpoint()
        return estate_of_handover(setup.seat.handed)
    adopts = setup.config.supervisor.on_crash is OnCrash.ADOPT

    def remembered(records: Sequence[Record]) -> Remembered:
        state = setup.folders.state
        found = Memory.load(state, setup.say) if state is not None else None
        return found or presumed(records, setup.config, setup.environ)

    runs, keeper = setup.folders.runs, setup.seat.keeper
    remains = Remains(runs=runs, socket=setup.folders.socket, exits=keeper.exits)
    estate = await settle_estate(remains, remembered, adopts=adopts, resumes=setup.resumes)
    return await retrieve_sockets(estate, runs, keeper, steered=is_steered(setup))


def _go_on(supervisor: Supervisor, setup: Setup, estate: Estate) -> Memory:
    """Begin where an earlier supervisor has left off, and remember for the next one."""
    versions = Versions()

    def snapshot() -> Remembered:
        record_again(supervisor.instances())  # often it is the same disk
        return remember(supervisor, versions)

    memory = Memory(setup.folders.state, snapshot, supervisor.around.finished)
    supervisor.remember, supervisor.remembered = memory.changed, memory.write
    keeper = setup.seat.keeper
    supervisor.memory_warnings = partial(_warnings, memory, keeper, keeper.pid)
    supervisor.notices += estate.notices
    if keeper.before is not None:
        supervisor.notices.append(_how_it_ended(*keeper.before))
    adopted = ", ".join(take_over(supervisor, estate))
    if adopted and setup.seat.handed is None:
        supervisor.notices.append(f"goes on with what an earlier supervisor had begun: {adopted}")
    for name in keeper.left():
        kind, _, rest = name.partition("/")
        # Sockets are for who waits for its next attempt; pipes of runs that are over for nobody.
        if kind in ("run", "notify") and rest.partition("/")[0] not in estate.run_ids:
            keeper.drop(name)
    return memory


def _warnings(memory: Memory, keeper: Keeper, had: int | None) -> tuple[str, ...]:
    gone = had is not None and keeper.pid is None
    return (*memory.warnings(), *((WITHOUT_KEEPER,) if gone else ()))


def _how_it_ended(pid: int, status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    return f"the supervisor before this one (pid {pid}) {how}"


async def _watch_keeper(
    setup: Setup, children: Owner, supervisor: Supervisor, asked: Callable[[int], None]
) -> None:
    """Hear how those end that the keeper reaps; go on without it when it is gone."""
    keeper = setup.seat.keeper
    if keeper.pid is not None:
        await keeper.watch(children.told, asked)
        children.have_keeper(None, {})
        supervisor.journal.record("", "keeper-lost", reason=WITHOUT_KEEPER)


@asynccontextmanager
async def _showing(display: Display | None, logs: LogStore) -> AsyncIterator[None]:
    """*display* shows all output until the block is left, last words included."""
    if display is None:
        yield
        return
    logs.hub.attach(display)
    async with trio.open_nursery() as nursery:
        await nursery.start(display.serve)
        yield
        nursery.cancel_scope.cancel()
