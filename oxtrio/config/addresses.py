"""No address is held twice: the second could not be bound."""

from collections.abc import Iterable, Iterator
from posixpath import normpath
from typing import Final

from oxtrio.config.address import ANY, ANY_SIX
from oxtrio.config.entry import Entry
from oxtrio.config.expand import INSTANCE
from oxtrio.model.spec import ListenSpec

EVERY: Final = "*"

Place = tuple[str, str]
"""A family with its port, and a host in it; or `unix` and a file."""
Holder = tuple[Entry, ListenSpec]


def check_addresses(entries: Iterable[Entry]) -> None:
    """Note every address that the same app holds already, or an app before it.

    Apps that are disabled hold nothing until somebody starts them by hand, in place of another.
    """
    project = Held()
    for entry in entries:
        own = Held()
        for spec in entry.app.listen:
            if other := own.add(entry, spec):
                entry.note("listen", _twice(spec, other))
            elif entry.app.enabled and (other := project.add(entry, spec)):
                entry.note("listen", _held_before(spec, other))


class Held:
    """Who listens where."""

    def __init__(self) -> None:
        self._hosts: dict[str, dict[str, Holder]] = {}

    def add(self, entry: Entry, spec: ListenSpec) -> Holder | None:
        """Let *entry* hold *spec*; who holds it, or a part of it, already."""
        places = list(_places(spec, entry.app.instances))
        others = [other for place in places if (other := self._holder(*place))]
        for family, host in places:
            self._hosts.setdefault(family, {}).setdefault(host, (entry, spec))
        return others[0] if others else None

    def _holder(self, family: str, host: str) -> Holder | None:
        hosts = self._hosts.get(family, {})
        if host == EVERY:
            return next(iter(hosts.values()), None)
        return hosts.get(host) or hosts.get(EVERY)


def _places(spec: ListenSpec, instances: int) -> Iterator[Place]:
    """Where *spec* listens; nowhere where it could not be read."""
    if spec.path is not None:
        for number in range(instances) if INSTANCE in spec.path else (0,):
            yield "unix", normpath(spec.path.replace(INSTANCE, str(number)))
    elif spec.port:
        family = "IPv6" if ":" in spec.host else "IPv4"
        yield f"{family} {spec.port}", EVERY if spec.host in (ANY, ANY_SIX) else spec.host
        if spec.dual_stack:
            yield f"IPv4 {spec.port}", EVERY


def _twice(spec: ListenSpec, other: Holder) -> str:
    same = str(spec) == str(other[1])
    return f"has {spec} twice" if same else f"has both {other[1]} and {spec}, which overlap"


def _held_before(spec: ListenSpec, other: Holder) -> str:
    entry, theirs = other
    where = f"{entry.oxfile.path}:{entry.oxfile.line(('processes', entry.app.name, 'listen'))}"
    name = entry.app.name if str(spec) == str(theirs) else f"{entry.app.name} (as {theirs})"
    return f"has {spec}, which {name} holds already, in {where}"
