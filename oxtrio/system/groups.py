"""Addresses that are held: all sockets of one address, made and kept by the supervisor."""

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system.accepting import Pids
from oxtrio.system.hold_error import hold_error
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from oxtrio.system.shared_group import SharedGroup
from oxtrio.system.slot import Group, Slot
from oxtrio.system.steered_group import SteeredGroup
from oxtrio.system.steering import is_steering_supported
from oxtrio.system.unix_group import UnixGroup

__all__ = ["Group", "Pids", "Slot", "is_steering_supported", "open_group"]


async def open_group(
    listen: ListenSpec, *, steered: bool, keepsakes: Keepsakes = NOTHING_KEPT
) -> Group:
    """Hold *listen*: from now on clients wait for the first slot, instead of being refused.

    What an earlier supervisor has left in *keepsakes* goes on.

    Raises `AddressTaken`, which names who has it, `Refused`, or `OxtrioError`. Cancelling
    leaves nothing open. *steered* says nothing of a Unix socket, which is always one of its own.
    """
    await trio.lowlevel.checkpoint()
    try:
        if listen.path is not None:
            return UnixGroup(listen, keepsakes)
        return SteeredGroup(listen, keepsakes) if steered else SharedGroup(listen, keepsakes)
    except OSError as error:
        trouble = error
    raise await hold_error(listen, trouble)
