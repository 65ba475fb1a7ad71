"""The top nursery: it owns the control socket, the health checkers and the signal handling.

The one file that knows all parts. Blocks nest in the order in which they outlive each other:
the reaper and the logs are opened first and closed last; control and signals live until the
last app is gone and the last reply is sent; monitors end when the stopping begins.
"""

import os
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from oxtrio import __version__
from oxtrio.attendants import keep_running, obey_signals, tell_nobody
from oxtrio.config.envfile import read_env_file
from oxtrio.control.server import ControlServer, serve_control
from oxtrio.errors import OxtrioError
from oxtrio.logs.display import Display
from oxtrio.logs.store import LogStore, open_store
from oxtrio.model.order import Order, SupervisorStatus, Verb
from oxtrio.model.spec import Config, OnCrash
from oxtrio.monitors.health import watch_health
from oxtrio.monitors.usage import watch_usage
from oxtrio.monitors.viewers import Viewers
from oxtrio.process.sockets import Sockets, open_sockets
from oxtrio.process.surroundings import Surroundings
from oxtrio.project.folders import Folders
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project
from oxtrio.supervisor.adopting import Estate, settle_estate, take_over
from oxtrio.supervisor.ending import Ending
from oxtrio.supervisor.journal import Journal, rfc3339
from oxtrio.supervisor.memory import Memory
from oxtrio.supervisor.narration import narrate
from oxtrio.supervisor.remembered import Versions
from oxtrio.supervisor.remembering import remember
from oxtrio.supervisor.supervisor import Supervisor, open_supervisor
from oxtrio.system import signals
from oxtrio.system.children import Children
from oxtrio.system.containment import Containment
from oxtrio.system.fifo import Scratch
from oxtrio.system.groups import is_steering_supported
from oxtrio.system.keepsakes import NOTHING_KEPT, Keeper
from oxtrio.system.owner import Owner, open_owner
from oxtrio.system.probes import prepare
from oxtrio.systemd import Herald

LAST_REPLIES = 2.0
"""Seconds in which the last answers of the control socket may go out."""
LAST_KILLS = 2.0
"""Seconds in which what has hidden from its run may take to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a supervisor is started with."""

    project: Project
    folders: Folders
    config: Config
    environ: Mapping[str, str] = field(repr=False)
    say: Callable[[str], None]
    """Takes a line for the operator: the terminal, or supervisor.log."""
    default_logs: str | None = None
    """Folder of the logs that the oxfile does not place; None: such output is only shown."""
    names: tuple[str, ...] = ()
    start: bool = False
    """Start the apps at once, and end when they have all ended (`run`)."""
    display: Display | None = None
    adapt: Callable[[Config], Config] = lambda config: config
    """Changes what the oxfile says to what this way of running needs."""
    keepsakes: Keeper = NOTHING_KEPT
    """Who keeps what the next supervisor needs if this one dies by force."""
    resumes: bool = False
    """The keeper has started us in the place of one that died: nobody else will say what to do."""
    on_ready: Callable[[], None] | None = None


async def run_daemon(setup: Setup) -> int:
    """Run everything until told to stop; the exit code. Cancelling stops all apps first."""
    signals.reset_dispositions()
    await _prepare_probes(setup.config)
    estate = await _settle(setup)
    async with (
        open_owner() as children,
        open_store(setup.default_logs, setup.say) as logs,
        _showing(setup.display, logs),
    ):
        children.have_keeper(setup.keepsakes.pid, setup.keepsakes.exits)
        supervisor = _supervisor_of(setup, children, logs)
        memory = _go_on(supervisor, setup, estate)
        viewers = Viewers()
        ending = Ending(supervisor, when_all_ended=setup.start)
        supervisor.freshen = viewers.wait_fresh
        herald = Herald(setup.environ, supervisor, setup.keepsakes.pid)
        async with trio.open_nursery() as top:
            top.start_soon(_watch_keeper, setup.keepsakes, children)
            top.start_soon(memory.serve)
            async with open_supervisor(supervisor):
                control = await top.start(
                    serve_control, setup.folders.socket, supervisor, supervisor.report
                )
                await top.start(obey_signals, setup.say, supervisor, ending, herald)
                signals.unblock()
                if herald.is_heard:
                    top.start_soon(keep_running, "herald", herald.serve, supervisor)
                _announce(setup, supervisor, herald)
                await _watch_until_shutdown(setup, supervisor, viewers, ending, herald)
                herald.stopping(ending.exit_code)
                await _stop_all(supervisor, control, children)
                supervisor.journal.record("", "ended", reason="supervisor ended", pid=os.getpid())
            top.cancel_scope.cancel()
    return ending.exit_code


async def _prepare_probes(config: Config) -> None:
    """Load what health checks need before anything is ready, and nothing after."""
    checks = [app.health for app in config.apps if app.health is not None]
    await prepare(each.endpoint for each in checks if each.endpoint is not None)


def _announce(setup: Setup, supervisor: Supervisor, herald: Herald) -> None:
    """It is up, and answers: tell whoever wants to know."""
    if setup.on_ready is not None:
        setup.on_ready()
        herald.ready()
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
        level = supervisor.config.supervisor.log_level
        monitors.start_soon(narrate, supervisor.journal, level, setup.say)
        for name, monitor in (("health", health), ("usage", usage)):
            monitors.start_soon(keep_running, name, monitor, supervisor)
        monitors.start_soon(ending.watch)
        if setup.start:
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
    with trio.move_on_after(float("inf") if bound is None else bound) as patience:
        await supervisor.stop_all()
    if patience.cancelled_caught:
        supervisor.journal.record("", "stop-timeout", reason=f"not stopped within {bound:g} s")
        supervisor.shutdown(kill=True)
        await supervisor.stop_all()
    with trio.move_on_after(LAST_REPLIES):
        await control.finish()
    with trio.move_on_after(LAST_KILLS):
        await children.end_orphans()


async def _settle(setup: Setup) -> Estate:
    adopts = setup.config.supervisor.on_crash is OnCrash.ADOPT
    where, exits = setup.folders, setup.keepsakes.exits
    estate = await settle_estate(where.runs, where.state, exits, adopts=adopts, say=setup.say)
    # Where nothing of it is left any more, whoever starts us says what is wanted.
    return estate if estate.runs or setup.resumes else Estate(notices=estate.notices)


def _go_on(supervisor: Supervisor, setup: Setup, estate: Estate) -> Memory:
    """Begin where an earlier supervisor has left off, and remember for the next one."""
    memory = Memory(setup.folders.state, partial(remember, supervisor, Versions()))
    supervisor.remember, supervisor.remembered = memory.changed, memory.write
    supervisor.memory_warnings = memory.warnings
    supervisor.notices += estate.notices
    if adopted := ", ".join(take_over(supervisor, estate)):
        supervisor.notices.append(f"goes on with what an earlier supervisor had begun: {adopted}")
    for name in setup.keepsakes.left():
        kind, _, rest = name.partition("/")
        # Sockets are for who waits for its next attempt; pipes of runs that are over for nobody.
        if kind == "run" and rest.partition("/")[0] not in estate.run_ids:
            setup.keepsakes.drop(name)
    return memory


async def _watch_keeper(keeper: Keeper, children: Owner) -> None:
    """Hear how those end that the keeper reaps; go on without it when it is gone."""
    if keeper.pid is not None:
        await keeper.watch(children.told)
        children.have_keeper(None, {})


def _supervisor_of(setup: Setup, children: Children, logs: LogStore) -> Supervisor:
    project, folders = setup.project, setup.folders
    around = Surroundings(
        children=children,
        containment=Containment(children),
        scratch=Scratch(),
        logs=logs,
        sockets=_sockets(setup),
        keepsakes=setup.keepsakes,
        display=setup.display,
        read_env_file=read_env_file,
        project=project.name or project.identity,
        config=project.files[0] if project.files else "",
        socket=folders.socket,
        runs=folders.runs,
    )
    journal = Journal(folders.events, time.time)

    async def read_config(environ: Mapping[str, str]) -> Config:
        if not project.files:
            return setup.config
        config = setup.adapt(await trio.to_thread.run_sync(load_project, project, environ))
        await _prepare_probes(config)
        return config

    def report(what: str, bug: BaseException) -> None:
        _report_bug(setup, journal, what, bug)

    supervisor = Supervisor(setup.config, around, journal, read_config, report)
    supervisor.environ = setup.environ
    supervisor.identity = _identity(setup)
    return supervisor


def _identity(setup: Setup) -> SupervisorStatus:
    project = setup.project
    return SupervisorStatus(
        version=__version__,
        pid=os.getpid(),
        project=project.identity,
        id=project.id,
        files=tuple(project.files),
        started_at=rfc3339(time.time()),
        foreground=setup.start,
        stopping=False,
    )


def _sockets(setup: Setup) -> Sockets:
    """One for each run, where the kernel can steer; "off" is for trying the other way."""
    steered = setup.environ.get("OXTRIO_STEERING") != "off" and is_steering_supported()
    return open_sockets(steered=steered, keepsakes=setup.keepsakes)


def _report_bug(setup: Setup, journal: Journal, what: str, bug: BaseException) -> None:
    """A bug that was survived: once in the log with its traceback, and as an event."""
    journal.record("", "internal-error", reason=f"{what}: {bug!r}")
    setup.say(f"internal error: {what}\n{''.join(traceback.format_exception(bug)).rstrip()}")


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
