"""Whom oxtrio is measured beside on this machine."""

import subprocess
from collections.abc import Callable, Sequence

from benchmarks.failure import Failed
from benchmarks.peers.circus import Circus, CircusSockets
from benchmarks.peers.environment import Environment
from benchmarks.peers.honcho import Honcho
from benchmarks.peers.peer import Peer
from benchmarks.peers.supervisor import Supervisor

Known = Sequence[Callable[[Environment], Peer]]
PEERS: Known = (Supervisor, Circus, Honcho)
WEB: Known = (Supervisor, Circus, CircusSockets)


def available(known: Known) -> tuple[tuple[Peer, ...], list[str]]:
    """Those who can be installed here, and a line for each that cannot."""
    environment = Environment()
    peers: list[Peer] = []
    missing: list[str] = []
    for peer in known:
        try:
            peers.append(peer(environment))
        except Failed as failed:
            missing.append(str(failed))
        except (OSError, subprocess.SubprocessError) as error:
            missing.append(f"{peer.__name__} is left out: {error}")
    return tuple(peers), missing
