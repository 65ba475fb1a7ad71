"""Whom oxtrio is measured beside on this machine."""

import subprocess
from collections.abc import Callable

from benchmarks.failure import Failed
from benchmarks.peers.circus import Circus
from benchmarks.peers.environment import Environment
from benchmarks.peers.honcho import Honcho
from benchmarks.peers.peer import Peer
from benchmarks.peers.supervisor import Supervisor

PEERS: tuple[Callable[[Environment], Peer], ...] = (Supervisor, Circus, Honcho)


def available() -> tuple[list[Peer], list[str]]:
    """The peers that can be installed here, and a line for each that cannot."""
    environment = Environment()
    peers: list[Peer] = []
    missing: list[str] = []
    for peer in PEERS:
        try:
            peers.append(peer(environment))
        except Failed as failed:
            missing.append(str(failed))
        except (OSError, subprocess.SubprocessError) as error:
            missing.append(f"{peer.__name__} is left out: {error}")
    return peers, missing
