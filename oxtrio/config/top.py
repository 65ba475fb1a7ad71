"""The tables beside the apps: they hold for the whole project, whichever file they are in."""

from collections.abc import Sequence

from oxtrio.config.dialects.processes import Defaults
from oxtrio.config.environment import read_env
from oxtrio.config.fields import Fields, first
from oxtrio.config.identity import read_umask
from oxtrio.config.oxfile import Oxfile
from oxtrio.config.tables import top as keys
from oxtrio.config.tables.app import UMASK_KEY
from oxtrio.model.spec import SupervisorSpec

SHARED = (keys.ENV_KEY, keys.LOGGING_KEY, keys.SUPERVISOR_KEY)


def refuse_twice(oxfiles: Sequence[Oxfile]) -> None:
    """Note what an earlier file has set already: neither value could be preferred."""
    setters: dict[tuple[str, str], Oxfile] = {}
    for oxfile in oxfiles:
        for table in SHARED:
            content = oxfile.content.get(table.name)
            for name in content if isinstance(content, dict) else ():
                other = setters.setdefault((table.name, name), oxfile)
                if other is not oxfile:
                    where = f"{other.path}:{other.line((table.name, name))}"
                    oxfile.note((table.name, name), f"{name} is set in {where} too")


def read_defaults(tops: Sequence[Fields]) -> Defaults:
    """`[env]` and `[logging]` of all files together."""
    env: dict[str, str] = {}
    for top in tops:
        env |= read_env(top.take(keys.ENV_KEY), ("env",), top.oxfile)
    return Defaults(env, tuple(top.inner(keys.LOGGING_KEY) for top in tops))


def read_supervisor(tops: Sequence[Fields]) -> SupervisorSpec:
    """`[supervisor]` of all files together."""
    tables = [top.inner(keys.SUPERVISOR_KEY) for top in tops]
    stop_timeout = first(tables, keys.STOP_TIMEOUT)
    with_umask = next((table for table in tables if table.has(UMASK_KEY)), tables[0])
    return SupervisorSpec(
        name=first(tables, keys.NAME),
        stop_timeout=None if stop_timeout is None else stop_timeout / 1000,
        log_level=first(tables, keys.LOG_LEVEL),
        umask=read_umask(with_umask),
        on_crash=first(tables, keys.ON_CRASH),
    )
