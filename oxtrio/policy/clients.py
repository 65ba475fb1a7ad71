"""What `why` tells of the way that clients reach an instance, and of its last reload."""

from oxtrio.model.state import ALIVE
from oxtrio.policy.evidence import WhyFacts, oxfile_line

Told = tuple[list[str], list[str]]
"""Sentences, and hints."""


def told_of_clients(facts: WhyFacts) -> Told:
    """What is held for it, whether a reload means a gap, and why the last one failed."""
    said, hints = [], []
    if facts.rejected:
        said.append(
            f"A reload failed {facts.rejected_since} ago, and what ran before still runs: "
            f"{facts.rejected}."
        )
        hints.append(f"oxtrio reload {facts.name}  (once that is mended)")
    if facts.listens:
        held = " and ".join(facts.listens)
        said.append(f"oxtrio holds {held} for it, so clients wait while none of it is ready.")
    if facts.gap and facts.state in ALIVE:
        said.append(f"A reload means a gap: {facts.gap}.")
        if facts.instead:
            hints.append(oxfile_line(facts, facts.instead))
    return said, hints
