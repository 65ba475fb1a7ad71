"""What happens when: chosen from a seed alone, so that the same seed gives the same again."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

PAUSE = 1.0
"""Seconds between two acts, on average."""


class Kind(Enum):
    """What is done; its value is how the report names it."""

    KILL_LEADER = "kill -9 of an app's leader"
    KILL_RUN = "kill -9 of all of an app's run"
    KILL_SUPERVISOR = "kill -9 of the supervisor"
    KILL_KEEPER = "kill -9 of the keeper"
    KILL_BOTH = "kill -9 of both, then `oxtrio start`"
    RELOAD = "`oxtrio reload`"
    RESTART = "`oxtrio restart`"
    SCALE = "`oxtrio scale`"
    STOP = "`oxtrio stop` of one app, then `start`"
    HANGUP = "SIGHUP to the supervisor"
    UPGRADE = "`oxtrio upgrade`"
    ONE_SHOT = "one-shots started"
    FLOOD = "log floods"
    FULL_DISK = "full disks"
    CLOCK = "jumps of the clock"
    HOSTILE = "hostile control clients"
    READ = "`status`, `logs`, `events`, `why`"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens, and the seconds until the next."""

    kind: Kind
    pause: float
    chance: float
    """From 0 to 1: for what else is to be chosen."""

    def choose(self, names: tuple[str, ...]) -> str:
        return names[int(self.chance * len(names))]

    def among(self, least: float, most: float) -> float:
        """A number that has nothing to do with which name was chosen."""
        return least + self.chance * 997 % 1 * (most - least)


WEIGHTS = {
    Kind.KILL_LEADER: 14,
    Kind.KILL_RUN: 7,
    Kind.KILL_SUPERVISOR: 8,
    Kind.KILL_KEEPER: 2,
    Kind.KILL_BOTH: 3,
    Kind.RELOAD: 8,
    Kind.RESTART: 5,
    Kind.SCALE: 5,
    Kind.STOP: 3,
    Kind.HANGUP: 2,
    Kind.UPGRADE: 6,
    Kind.ONE_SHOT: 5,
    Kind.FLOOD: 8,
    Kind.FULL_DISK: 5,
    Kind.CLOCK: 6,
    Kind.HOSTILE: 6,
    Kind.READ: 7,
}
AGAINST_ITSELF = frozenset(
    {Kind.KILL_SUPERVISOR, Kind.KILL_KEEPER, Kind.KILL_BOTH, Kind.UPGRADE},
)
"""After each of these the supervisor's memory is another one."""


def plan(seed: int) -> Iterator[Act]:
    """All that happens, without end."""
    chance = random.Random(seed)
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    while True:
        [kind] = chance.choices(kinds, weights)
        pause = min(chance.expovariate(1 / PAUSE), 5 * PAUSE)
        yield Act(kind, pause, chance.random())
