"""The end of a run: signals, each with its patience. Shielded, as we owe children a proper end."""

from signal import Signals

import trio

from oxtrio.model.spec import StopSpec
from oxtrio.system.containment import Containment, Kin, wait_gone

STUCK_AFTER = 5.0
"""Seconds after SIGKILL at which what is still there is called stuck."""
RESWEEP = 0.05
"""Seconds between two SIGKILLs to a run that forks while it is killed."""


async def stop_kin(containment: Containment, kin: Kin, spec: StopSpec) -> None:
    """Tell the main process to stop, then what it leaves behind; wait out the patience.

    Returns when nothing is left or the patience is used up; cancelling ends the patience. The
    caller shields it.
    """
    kin.told.clear()
    if spec.to_group:
        containment.tell_group(kin, spec.signal)
    else:
        containment.tell_main(kin, spec.signal)
    with trio.move_on_after(spec.timeout):
        if kin.main is not None and kin.leader.alive:
            await wait_gone(kin.main)
            kin.main = None  # the leader, which may only have waited for it, is told now
            containment.tell_main(kin, spec.signal)
        await kin.leader.gone.wait()
        # Workers are told by their master; now that it is gone, nobody else will.
        await containment.tell_until_empty(kin, spec.signal)


async def sweep_kin(
    containment: Containment, kin: Kin, patience: float, signal: Signals | None
) -> None:
    """End what is left of a run: *signal*, *patience*, then SIGKILL until it is empty.

    Shielded; bounded by *patience* and `STUCK_AFTER`. What is still there then is stuck.
    """
    if containment.is_empty(kin):
        return
    with trio.CancelScope(shield=True):
        if signal is not None:
            with trio.move_on_after(patience):
                await containment.tell_until_empty(kin, signal)
        with trio.move_on_after(STUCK_AFTER):
            while not containment.is_empty(kin):
                containment.kill(kin)
                with trio.move_on_after(RESWEEP):
                    await containment.wait_empty(kin)
