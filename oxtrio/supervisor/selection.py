"""Which instances an operator means."""

from collections.abc import Mapping, Sequence

from oxtrio.errors import NotFound
from oxtrio.policy.naming import means, means_all, suggest
from oxtrio.process.instance import Instance
from oxtrio.supervisor.app import App


def select(apps: Mapping[str, App], names: Sequence[str]) -> list[Instance]:
    """The instances that *names* mean, in the order of the oxfile; no name means all enabled.

    Raises `NotFound` for a name that means nothing.
    """
    everything = [each for app in apps.values() for each in app.instances]
    if means_all(names):
        return [each for each in everything if each.spec.enabled]
    for name in names:
        if not any(means(name, each.spec, each.number) for each in everything):
            raise NotFound(f"no app named '{name}'", suggest(name, list(apps)))
    return [each for each in everything if any(means(n, each.spec, each.number) for n in names)]
