"""What a supervisor is made of, before anything of it runs."""

import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oxtrio import __version__
from oxtrio.config.envfile import read_env_file
from oxtrio.logs.display import Display
from oxtrio.logs.store import LogStore
from oxtrio.model.order import SupervisorStatus
from oxtrio.model.spec import Config
from oxtrio.process.sockets import Sockets, open_sockets
from oxtrio.process.surroundings import Surroundings
from oxtrio.project.folders import Folders
from oxtrio.project.locate import Project
from oxtrio.project.reading import load_project
from oxtrio.supervisor.journal import Journal, rfc3339
from oxtrio.supervisor.supervisor import Supervisor
from oxtrio.system.children import Children
from oxtrio.system.containment import Containment
from oxtrio.system.delegation import NoGround
from oxtrio.system.fifo import Scratch
from oxtrio.system.groups import is_steering_supported
from oxtrio.system.probes import prepare
from oxtrio.system.quarters import Quarters, open_quarters
from oxtrio.system.threads import in_thread
from oxtrio.upgrade import Seat


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
    seat: Seat
    """Our place, its keeper, and what comes from the program that had it before us."""
    resumes: bool = False
    """The keeper has started us in the place of one that died: nobody else will say what to do."""
    on_ready: Callable[[], None] | None = None


def supervisor_of(setup: Setup, children: Children, logs: LogStore) -> Supervisor:
    project, folders = setup.project, setup.folders
    around = Surroundings(
        children=children,
        containment=Containment(children, _quarters(setup)),
        scratch=Scratch(),
        logs=logs,
        sockets=_sockets(setup),
        keepsakes=setup.seat.keeper,
        display=setup.display,
        read_env_file=read_env_file,
        project=project.name or project.identity,
        config=project.files[0] if project.files else "",
        socket=folders.socket,
        runs=folders.runs,
    )
    journal = Journal(folders.events, time.time)
    if setup.seat.handed is not None:
        journal.resume(setup.seat.handed.events)

    async def read_config(environ: Mapping[str, str]) -> Config:
        if not project.files:
            return setup.config
        config = setup.adapt(await in_thread(load_project, project, environ))
        await prepare_probes(config)
        return config

    def report(what: str, bug: BaseException) -> None:
        _report_bug(setup, journal, what, bug)

    supervisor = Supervisor(setup.config, around, journal, read_config, report)
    supervisor.environ = setup.environ
    supervisor.identity = _identity(setup)
    return supervisor


def _identity(setup: Setup) -> SupervisorStatus:
    project, handed = setup.project, setup.seat.handed
    return SupervisorStatus(
        version=__version__,
        pid=os.getpid(),
        project=project.identity,
        id=project.id,
        files=tuple(project.files),
        started_at=handed.started_at if handed is not None else rfc3339(time.time()),
        foreground=setup.start,
        stopping=False,
        upgrades=handed.upgrades if handed is not None else 0,
        steered=is_steered(setup),
    )


def _sockets(setup: Setup) -> Sockets:
    """One for each run, where the kernel can steer."""
    return open_sockets(steered=is_steered(setup), keepsakes=setup.seat.keeper)


def is_steered(setup: Setup) -> bool:
    """ "off" is for trying the other way."""
    return setup.environ.get("OXTRIO_STEERING") != "off" and is_steering_supported()


def _quarters(setup: Setup) -> Quarters | NoGround:
    """The same for cgroups."""
    wanted = setup.environ.get("OXTRIO_CGROUPS") != "off"
    return open_quarters(setup.project.id, wanted=wanted)


def _report_bug(setup: Setup, journal: Journal, what: str, bug: BaseException) -> None:
    """A bug that was survived: once in the log with its traceback, and as an event."""
    journal.record("", "internal-error", reason=f"{what}: {bug!r}")
    setup.say(f"internal error: {what}\n{''.join(traceback.format_exception(bug)).rstrip()}")


async def prepare_probes(config: Config) -> None:
    """Load what health checks need before anything is ready, and nothing after."""
    checks = [app.health for app in config.apps if app.health is not None]
    await prepare(each.endpoint for each in checks if each.endpoint is not None)
