"""The main process of a run: the one that it stands and falls with."""

import trio

from oxtrio.model.exit import Exit
from oxtrio.system.children import Child, Children
from oxtrio.system.containment import Containment, Kin, send, wait_gone
from oxtrio.system.proc import ProcessStat

REAPING = 0.5
"""Seconds in which our reaper gets to the exit of a process that is seen to be gone."""


class MainProcess:
    """The leader, until the run names another of its processes (`MAINPID`).

    A server that replaces itself by a new process, or that goes into the background, goes on
    as one run this way.
    """

    def __init__(self, kin: Kin, containment: Containment, children: Children) -> None:
        self._kin = kin
        self._containment = containment
        self._children = children
        self._named: ProcessStat | None = None
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._kin.leader.pid if self._named is None else self._named.pid

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it lives. Nobody knows it of what was not our child."""
        if self._named is None or not self._kin.leader.alive:
            return self._kin.leader.exit if self._child is None else self._child.exit
        return None

    @property
    def status(self) -> int | None:
        """The wait status with which it ended, where that is known."""
        return self._kin.leader.status if self._child is None else self._child.status

    @property
    def alive(self) -> bool:
        """Whether it has not ended: the leader, or who was named."""
        if self._kin.leader.alive:
            return True
        return self._child is not None and self._child.alive

    def name(self, pid: int) -> bool:
        """The run says that *pid* is its main process; False where that is none of its own."""
        if pid == self._kin.leader.pid:
            self._named = self._child = self._kin.main = None
            return True
        members = self._containment.members(self._kin)
        stat = next((each for each in members if each.pid == pid), None)
        if stat is None:
            return False
        if self._named is None or self._named.pid != pid:
            self._child = self._children.follow(pid)
            self._named = self._kin.main = stat
        return True

    def signal(self, number: int) -> bool:
        """Send a signal to it alone; False when it is gone."""
        if self._named is None:
            return self._kin.leader.signal(number)
        return send(self._named, number)

    async def wait_gone(self) -> None:
        """Return when it has ended, and the leader too. Cancelling changes nothing."""
        await self._kin.leader.gone.wait()
        while (named := self._named) is not None and (child := self._child) is not None:
            await wait_gone(named)
            with trio.move_on_after(REAPING):
                await child.gone.wait()
            child.lost()  # somebody else was its parent
            if self._named is named:
                return

    def close(self) -> None:
        """Nothing can be sent any more."""
        if self._child is not None:
            self._child.close()
