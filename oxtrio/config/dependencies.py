"""`depends_on` across the apps: names that exist, no cycle, conditions that can come."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from oxtrio.config.entry import Entry
from oxtrio.config.suggestion import did_you_mean
from oxtrio.model.spec import Condition

Graph = Mapping[str, Sequence[str]]

MOST_CYCLES = 10
MOST_NAMES = 20


def check_dependencies(entries: Mapping[str, Entry]) -> None:
    """Note unknown names, hopeless conditions and every app that waits for itself."""
    for entry in entries.values():
        for name, condition in entry.app.depends_on:
            _check_dependency(entry, name, condition, entries)
    graph = {
        name: [other for other, _ in entry.app.depends_on if other in entries and other != name]
        for name, entry in entries.items()
    }
    for cycle in islice(cycles(graph), MOST_CYCLES):
        entries[cycle[0]].note("depends_on", f"is a cycle: {_drawn((*cycle, cycle[0]))}")


def dependency_warnings(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Dependencies that somebody has to start by hand."""
    return tuple(
        f"{entry.app.name} depends on {name}, which is disabled"
        for entry in entries.values()
        for name, _ in entry.app.depends_on
        if entry.app.enabled and not entries[name].app.enabled
    )


def cycles(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Cycles of *graph*, each as its names in order; every cycle shares a name with one of them.

    Without recursion: a chain may be thousands of names long.
    """
    done: set[str] = set()
    for root in graph:
        path: dict[str, Iterator[str]] = {} if root in done else {root: iter(graph[root])}
        while path:
            name = next(reversed(path))
            for other in path[name]:
                if other in path:
                    names = tuple(path)
                    yield names[names.index(other) :]
                elif other not in done:
                    path[other] = iter(graph[other])
                    break
            else:
                done.add(name)
                del path[name]


def _drawn(cycle: Sequence[str]) -> str:
    left_out = len(cycle) - MOST_NAMES
    if left_out > 0:
        cycle = (*cycle[: MOST_NAMES - 1], f"({left_out} more)", cycle[-1])
    return " -> ".join(cycle)


def _check_dependency(
    entry: Entry, name: str, condition: Condition | None, entries: Mapping[str, Entry]
) -> None:
    if name == entry.app.name:
        entry.note("depends_on", "names the app itself")
        return
    if name not in entries:
        entry.note("depends_on", f"names {name}, which is no app", did_you_mean(name, entries))
        return
    other = entries[name].app
    if condition is Condition.HEALTHY and other.health is None:
        tells = other.ready.notify or other.ready.log_line is not None
        which = "health_check with an endpoint or a command" if tells else "health_check"
        entry.note("depends_on", f'waits for {name} to be "healthy", but it has no {which}')
    if condition in (Condition.COMPLETED, Condition.EXITED) and other.restart.always:
        what = f'waits for {name} to be "{condition}", but it restarts after every exit'
        entry.note("depends_on", what, f"restart_on_exit = false makes {name} a one-shot")
