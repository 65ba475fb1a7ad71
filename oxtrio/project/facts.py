"""What the machine tells a reader of oxfiles."""

import os
import resource
from collections.abc import Mapping

from oxtrio.model.facts import Facts
from oxtrio.project.folders import home_of


def gather(environ: Mapping[str, str]) -> Facts:
    """The surroundings of this process, with the variables of *environ*."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return Facts(
        environ=environ,
        home=home_of(environ),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        root=os.geteuid() == 0,
        rlimits={
            name.removeprefix("RLIMIT_").lower(): resource.getrlimit(getattr(resource, name))[1]
            for name in names
        },
    )
