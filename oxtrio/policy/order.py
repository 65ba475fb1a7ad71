"""In which order apps start and stop, and when a dependency is met."""

from collections.abc import Collection, Mapping
from enum import Enum, auto

from oxtrio.model.spec import Condition
from oxtrio.model.state import State


def lanes(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The names of *graph* (name → what it depends on) in lanes, each needing only earlier ones.

    Within a lane the order of *graph* is kept. Names that are not keys are taken as met. A
    cycle raises `ValueError` that shows it.
    """
    waiting = {name: {need for need in needs if need in graph} for name, needs in graph.items()}
    result: list[list[str]] = []
    done: set[str] = set()
    while waiting:
        lane = [name for name, needs in waiting.items() if needs <= done]
        if not lane:
            raise ValueError(" -> ".join(find_cycle(waiting)))
        result.append(lane)
        done.update(lane)
        for name in lane:
            del waiting[name]
    return result


def longest_path(graph: Mapping[str, Collection[str]], lengths: Mapping[str, float]) -> float:
    """How long it takes at most to go through *graph*, each name after those that it needs.

    Names that do not need each other are gone through at the same time. A cycle raises
    `ValueError`.
    """
    ends: dict[str, float] = {}
    for lane in lanes(graph):
        for name in lane:
            needs = (ends[need] for need in graph[name] if need in graph)
            ends[name] = max(needs, default=0.0) + lengths[name]
    return max(ends.values(), default=0.0)


def find_cycle(graph: Mapping[str, Collection[str]]) -> list[str]:
    """One cycle in *graph*, its first name repeated at the end; empty where there is none."""
    finished: set[str] = set()
    for start in graph:
        path: list[str] = []
        places: dict[str, int] = {}
        stack = [iter([start])]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if path:
                    finished.add(path[-1])
                    del places[path.pop()]
            elif name in places:
                return [*path[places[name] :], name]
            elif name in graph and name not in finished:
                places[name] = len(path)
                path.append(name)
                stack.append(iter(graph[name]))
    return []


def dependents(graph: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Who depends directly on each name."""
    found: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for need in needs:
            if need in found:
                found[need].append(name)
    return found


def with_dependencies(names: Collection[str], graph: Mapping[str, Collection[str]]) -> list[str]:
    """*names* and all that they need, in the order of *graph*."""
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(graph.get(name, ()))
    return [name for name in graph if name in wanted]


class Prospect(Enum):
    """How a dependency stands."""

    MET = auto()
    PENDING = auto()
    FAILED = auto()  # not met, and will not be by itself


_UP = frozenset({State.RUNNING, State.UNHEALTHY, State.RELOADING, State.DRAINED})
_MET = {
    Condition.STARTED: _UP | {State.STARTING, State.PAUSED, State.EXITED},
    Condition.READY: _UP | {State.EXITED},
    Condition.HEALTHY: frozenset({State.RUNNING, State.RELOADING, State.DRAINED}),
    Condition.COMPLETED: frozenset({State.EXITED}),
    Condition.EXITED: frozenset({State.EXITED, State.CRASHED}),
}
_ENDED_FOR_GOOD = frozenset({State.CRASHED, State.STOPPED, State.STUCK})


def prospect(condition: Condition, state: State, wanted: bool) -> Prospect:
    """How a dependency in *state* stands to *condition*; *wanted*: an operator wants it up."""
    if state in _MET[condition]:
        return Prospect.MET
    if state is State.EXITED:
        return Prospect.FAILED  # it is over, and healthy it will never be
    if state in _ENDED_FOR_GOOD and not (wanted and state is State.STOPPED):
        return Prospect.FAILED
    return Prospect.PENDING
