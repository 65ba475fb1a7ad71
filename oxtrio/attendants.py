"""Tasks beside the tree: what a bug must not end, and what signals ask for."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from signal import Signals

import trio

from oxtrio.errors import OxtrioError
from oxtrio.model.order import Order, Step, Verb
from oxtrio.policy.order import longest_path
from oxtrio.supervisor.ending import Ending
from oxtrio.supervisor.supervisor import Supervisor
from oxtrio.system import signals
from oxtrio.systemd import Herald

MONITOR_PAUSE = 1.0
"""Seconds after which a monitor that a bug has ended starts again."""

Say = Callable[[str], None]


async def keep_running(
    name: str, monitor: Callable[[], Awaitable[None]], supervisor: Supervisor
) -> None:
    """Start *monitor* again whenever a bug ends it: no bug here costs an app its life."""
    while True:
        try:
            await monitor()
        except Exception as bug:  # noqa: BLE001 - the one place that survives a bug
            supervisor.report(f"the {name} monitor failed and starts again", bug)
        await trio.sleep(MONITOR_PAUSE)


class Obedience:
    """Does what signals ask for, whichever way they come.

    SIGTERM, SIGINT: stop in order, a second one: kill. SIGHUP: reload, reopen the logs. SIGUSR2:
    upgrade in place.
    """

    def __init__(self, say: Say, supervisor: Supervisor, ending: Ending, herald: Herald) -> None:
        self._say = say
        self._supervisor = supervisor
        self._ending = ending
        self._herald = herald
        self._came: dict[str, Counter[int]] = {"here": Counter(), "by the keeper": Counter()}
        # Asked now: when SIGHUP says that the terminal is gone, it is.
        self._at_terminal = supervisor.foreground and signals.has_terminal()

    async def serve(
        self, passed_on: trio.MemoryReceiveChannel[int], *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Obey until cancelled; *passed_on* are those that our keeper was sent."""
        wanted = (*signals.STOP, signals.RELOAD, signals.UPGRADE)
        with trio.open_signal_receiver(*wanted) as arrivals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey_all, "by the keeper", passed_on)
                task_status.started()
                await self._obey_all("here", arrivals)

    async def _obey_all(self, way: str, arrivals: AsyncIterator[int]) -> None:
        async for number in arrivals:
            came = self._came[way]
            came[number] += 1
            # Who signals a whole session reaches us twice, and has asked for it once.
            if came[number] > min(each[number] for each in self._came.values()):
                await self._obey(number)

    async def _obey(self, number: int) -> None:
        supervisor, name = self._supervisor, Signals(number).name
        if number == signals.RELOAD and not self._at_terminal:
            self._say(f"{name}: reloads the oxfile and reopens the logs")
            with self._herald.reloading():
                await _reload(self._say, supervisor)
            return
        if number == signals.UPGRADE:
            self._say(f"{name}: replaces the program of the supervisor")
            await supervisor.carry_out_later(Order(verb=Verb.UPGRADE))
            return
        again = supervisor.shutdown_asked.is_set()
        farewell = _farewell(supervisor, self._at_terminal)
        self._say(f"{name}: kills what is left" if again else farewell)
        if again:
            self._ending.decided = 128 + number
        supervisor.shutdown(kill=again)


def _farewell(supervisor: Supervisor, at_terminal: bool) -> str:
    up = [each for each in supervisor.instances() if each.run is not None]
    if not up:
        return "stopping"
    patience = dict.fromkeys(supervisor.apps, 0.0)
    for each in up:
        patience[each.spec.name] = max(patience[each.spec.name], each.spec.stop.timeout)
    longest = longest_path(supervisor.graph(), patience)
    bound = supervisor.config.supervisor.stop_timeout
    longest = longest if bound is None else min(longest, bound)
    names = ", ".join(dict.fromkeys(each.spec.name for each in up))
    again = "; Ctrl-C again to kill" if at_terminal else ""
    return f"stopping {names} (up to {longest:g} s){again}"


async def _reload(say: Say, supervisor: Supervisor) -> None:
    """Reload what has changed and start what is new; what an operator stopped stays so."""
    supervisor.around.logs.reopen()
    known = set(supervisor.apps)
    try:
        report = await supervisor.carry_out(
            Order(verb=Verb.RELOAD, if_changed=True, wait=False), tell_nobody
        )
        new = tuple(app.name for app in supervisor.config.apps if app.name not in known)
        if new:
            await supervisor.carry_out(Order(verb=Verb.START, names=new, wait=False), tell_nobody)
    except OxtrioError as error:
        # What runs is not touched by a broken oxfile.
        say(f"not reloaded: {error.message}")
        supervisor.journal.record("", "reload-refused", reason=error.message)
        return
    for note in report.notes:
        say(note)


def tell_nobody(step: Step) -> None:
    """For orders that nobody waits for."""
