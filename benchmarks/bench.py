"""How much is measured, and beside whom."""

from dataclasses import dataclass, field

from benchmarks.peers.oxtrio import Oxtrio
from benchmarks.peers.peer import Peer
from benchmarks.peers.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all benchmarks share."""

    peers: tuple[Peer, ...]
    web: tuple[Peer, ...] = ()
    """Those who can put a new release of a web app into service, by the means that they have."""
    quick: bool = False
    ours: Peer = field(default_factory=Oxtrio)
    floor: Peer = field(default_factory=Plain)

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 5

    @property
    def count(self) -> int:
        """How many apps are many."""
        return 20 if self.quick else 100

    @property
    def supervisors(self) -> tuple[Peer, ...]:
        return (self.ours, *self.peers)

    @property
    def all(self) -> tuple[Peer, ...]:
        """With the floor."""
        return (self.ours, self.floor, *self.peers)
