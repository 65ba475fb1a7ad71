"""Which environment a run gets: pure, values are handed in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from oxtrio.model.spec import AppSpec

KEPT_WITHOUT_INHERITANCE = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM")

OURS = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"}
    | {"LISTEN_FDNAMES", "OXTRIO_NAME", "OXTRIO_INSTANCE_ID", "OXMGR_INSTANCE_ID", "OXTRIO_DEBUG"}
)
"""Meant for the supervisor itself, or for another run; never inherited."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What oxtrio tells a run about itself."""

    name: str
    instance: int
    run_id: str
    project: str
    config: str
    socket: str
    working_dir: str
    venv: str | None = None
    """Resolved folder of the virtual environment."""
    port: int | None = None
    user: tuple[str, str, str] | None = None
    """Name, home and shell, where the run changes its user."""


def compose(
    spec: AppSpec, inherited: Mapping[str, str], from_files: Mapping[str, str], given: Given
) -> dict[str, str]:
    """`env` beats `env_file` beats what is inherited; what oxtrio gives is never overruled."""
    env = _inherit(spec.inherit_env, inherited)
    outer = inherited.get("OXTRIO_RUN_ID", "")
    if given.user is not None:
        env["USER"] = env["LOGNAME"] = given.user[0]
        env["HOME"], env["SHELL"] = given.user[1], given.user[2]
    env["PYTHONUNBUFFERED"] = env.get("PYTHONUNBUFFERED", "1")
    env.update(from_files)
    instance = str(given.instance)
    port = "${port}" if given.port is None else str(given.port)
    for name, value in spec.env:
        env[name] = value.replace("${instance}", instance).replace("${port}", port)
    if given.port is not None:
        env["PORT"] = port
    env.setdefault("PATH", DEFAULT_PATH)
    if given.venv is not None:
        env["VIRTUAL_ENV"] = given.venv
        env["PATH"] = f"{given.venv}/bin:{env['PATH']}"
        env.pop("PYTHONHOME", None)
    env["PWD"] = given.working_dir
    env["OXTRIO_NAME"] = given.name
    env["OXTRIO_INSTANCE_ID"] = env["OXMGR_INSTANCE_ID"] = instance
    # A supervisor inside a run of another keeps the outer marker, so that both find their own.
    env["OXTRIO_RUN_ID"] = f"{outer}:{given.run_id}" if outer else given.run_id
    env["OXTRIO_PROJECT"] = given.project
    env["OXTRIO_CONFIG"] = given.config
    env["OXTRIO_SOCKET"] = given.socket
    return env


def _inherit(inherit: bool | Collection[str], inherited: Mapping[str, str]) -> dict[str, str]:
    if inherit is True:
        return {name: value for name, value in inherited.items() if name not in OURS}
    names = KEPT_WITHOUT_INHERITANCE if inherit is False else inherit
    return {name: inherited[name] for name in names if name in inherited and name not in OURS}
