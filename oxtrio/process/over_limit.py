"""What follows on a run that uses too much, where a newcomer can take over from it."""

from functools import partial

import trio

from oxtrio.model.exit import Exit
from oxtrio.policy.restart import Ended, Retry, after_run
from oxtrio.process.life import Life
from oxtrio.process.run import Run
from oxtrio.system.clock import real_time


def life_after(life: Life, run: Run, why: str, chance: float) -> Life | None:
    """The life of the newcomer; None where *run* is to be given up instead.

    It counts as a failure of *run*, like any other, and the newcomer waits as long as a restart
    would. Where it does not make it, *run* fails all the same. *chance* in [-1, 1] is the jitter.
    """
    now = trio.current_time()
    ended = Ended(exit=Exit(), lasted=real_time() - run.began, fault=why)
    decision = after_run(run.spec.restart, ended, life.streak, now, chance)
    if not isinstance(decision, Retry):
        return None
    newcomer = Life(cause=why, inherited=life.inherited, because=why, delay=decision.delay)
    newcomer.streak, newcomer.otherwise = decision.streak, partial(run.fail, why)
    return newcomer
