"""The dialect `[processes.<name>]`: one table becomes one `AppSpec`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oxtrio.config.command import read_command
from oxtrio.config.environment import read_env
from oxtrio.config.expand import served
from oxtrio.config.fields import Fields
from oxtrio.config.health import read_health, read_ready
from oxtrio.config.identity import read_identity
from oxtrio.config.kinds import shown
from oxtrio.config.listen import read_listen, read_port, read_reload
from oxtrio.config.logs import MEBIBYTE, read_logs
from oxtrio.config.oxfile import Oxfile
from oxtrio.config.tables import app as keys
from oxtrio.config.tables import limits, restart
from oxtrio.config.tables.app import APP
from oxtrio.config.tables.sockets import HOLD_PORT
from oxtrio.config.values import RESERVED, is_name
from oxtrio.model.spec import AppSpec, LimitsSpec, RestartSpec, StopSpec


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the top level says for all apps."""

    env: Mapping[str, str] = field(default_factory=dict)
    logging: Sequence[Fields] = ()


def read_app(name: str, raw: object, oxfile: Oxfile, defaults: Defaults) -> AppSpec:
    """The app *name*; every problem is noted in *oxfile*, and the spec is usable only without."""
    at = ("processes", name)
    problem = _name_problem(name)
    if problem:
        oxfile.note(at, problem)
    app = Fields(raw, APP, at, oxfile)
    port, listen = read_port(app), read_listen(app)
    own = read_env(app.take(keys.ENV_KEY), (*at, "env"), oxfile, served(port))
    return AppSpec(
        name=name,
        command=read_command(app, listen),
        working_dir=app.optional_path(keys.WORKING_DIR) or oxfile.folder,
        venv=app.optional_path(keys.VENV),
        instances=app.take(keys.INSTANCES_KEY) or max(1, oxfile.facts.cpus),
        restart=_restart(app),
        ready=read_ready(app),
        stop=_stop(app),
        # By name, so that the order in the file makes no difference to the spec.
        env=tuple(sorted({**defaults.env, **own}.items())),
        env_files=tuple(app.path(keys.ENV_FILE, file) for file in app.take(keys.ENV_FILE)),
        inherit_env=app.take(keys.INHERIT_ENV),
        identity=read_identity(app),
        depends_on=tuple(sorted((app.take(restart.DEPENDS_ON) or {}).items())),
        start_delay=app.take(restart.START_DELAY) / 1000,
        listen=listen,
        hold_port=app.take(HOLD_PORT),
        port=port,
        reload=read_reload(app),
        tags=app.take(keys.TAGS),
        namespace=app.take(keys.NAMESPACE),
        description=app.take(keys.DESCRIPTION),
        enabled=_enabled(app),
        on_exit=app.take(restart.ON_EXIT),
        health=read_health(app),
        limits=_limits(app),
        logs=read_logs(app, defaults.logging),
    )


def _name_problem(name: str) -> str:
    if name.lower() == RESERVED:
        return f"an app cannot be called {name}: the name means every app"
    if not is_name(name):
        return (
            f"{shown(name)} cannot be the name of an app: it takes letters, digits and _ . -, "
            "beginning with a letter or digit, at most 64"
        )
    return ""


def _restart(app: Fields) -> RestartSpec:
    delay, delay_max = app.take(restart.RESTART_DELAY), app.take(restart.RESTART_DELAY_MAX)
    if delay is not None and delay > delay_max:
        if app.has(restart.RESTART_DELAY_MAX):
            app.note(restart.RESTART_DELAY_MAX, f"is below restart_delay_ms, which is {delay}")
        delay_max = delay
    return RestartSpec(
        always=app.take(restart.RESTART_ON_EXIT),
        delay=None if delay is None else delay / 1000,
        delay_max=delay_max / 1000,
        limit=app.take(restart.MAX_RESTARTS),
        window=float(app.take(restart.RESTART_WINDOW)),
        success_codes=app.take(restart.EXIT_CODES),
    )


def _stop(app: Fields) -> StopSpec:
    return StopSpec(
        signal=app.take(restart.STOP_SIGNAL),
        to_group=app.take(restart.STOP_SIGNAL_TO) == "group",
        timeout=app.take(restart.STOP_TIMEOUT) / 1000,
    )


def _enabled(app: Fields) -> bool:
    if app.has(keys.ENABLED) and app.has(keys.DISABLED):
        app.note(keys.DISABLED, "stands beside enabled: keep one of them")
    return app.take(keys.ENABLED) and not app.take(keys.DISABLED)


def _limits(app: Fields) -> LimitsSpec:
    table, older = app.inner(keys.LIMITS_KEY), app.inner(keys.RESOURCE_LIMITS_KEY)
    if table.has(limits.MEMORY) and older.has(limits.MAX_MEMORY):
        older.note(limits.MAX_MEMORY, "is the same as memory_mb in limits: keep one of them")
    memory = table.take(limits.MEMORY) or older.take(limits.MAX_MEMORY)
    return LimitsSpec(
        memory=None if memory is None else round(memory * MEBIBYTE),
        cpu_percent=table.take(limits.CPU),
        cpu_window=table.take(limits.CPU_WINDOW),
    )
