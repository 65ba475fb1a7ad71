"""What an oxfile names and the machine does not have: told before anything is started."""

import grp
import os
import pwd
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from shutil import which

from oxtrio.config.envfile import read_env_file
from oxtrio.errors import ConfigError
from oxtrio.model.spec import AppSpec, Config
from oxtrio.policy.command import program, with_instance
from oxtrio.policy.environment import Given, compose
from oxtrio.policy.order import longest_path

VENVS = (".venv", "venv")
"""Where a project keeps its virtual environment."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that *app* needs is missing."""

    app: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.app}: {self.what}" + (f" ({self.hint})" if self.hint else "")


def findings(config: Config, environ: Mapping[str, str]) -> list[Finding]:
    """Programs, folders, users, groups and env files that are missing, app by app.

    Only what is certain: what the shell alone can tell is left to the start. Disabled apps are
    looked at too, as any of them may be started by name.
    """
    folders = {os.path.dirname(path) for path in config.files}
    missing = [finding for app in config.apps for finding in _findings_of(app, environ, folders)]
    return [*missing, *_shared_logs(config)]


def longest_stop(config: Config) -> float:
    """Seconds that a full stop takes at most, bounded by what the project allows.

    All stop at the same time, but for those that others depend on: they wait for these. What
    cannot be killed is not reckoned with.
    """
    graph = {app.name: [name for name, _ in app.depends_on] for app in config.apps}
    timeouts = {app.name: app.stop.timeout for app in config.apps}
    worst = longest_path(graph, timeouts)
    bound = config.supervisor.stop_timeout
    return worst if bound is None else min(worst, bound)


def _findings_of(
    app: AppSpec, environ: Mapping[str, str], folders: Collection[str]
) -> Iterator[Finding]:
    yield from _missing_folders(app)
    yield from _missing_identity(app)
    yield from _missing_for_sockets(app)
    variables: dict[str, str] = {}
    for path in app.env_files:
        try:
            variables |= read_env_file(path)
        except ConfigError as error:
            yield from _env_file_findings(app, error)
    search = _search_path(app, environ, variables)
    commands = (app.command, app.health.command if app.health else None)
    for command in commands:
        name = program(command) if command is not None else None
        if name is not None and os.path.isdir(app.working_dir):
            # A relative `venv` is looked up from the folder of the oxfile.
            base = "" if app.working_dir in folders else app.working_dir
            yield from _missing_program(app, with_instance(name, 0), search, base)


def _missing_folders(app: AppSpec) -> Iterator[Finding]:
    problem = _folder_problem(app.working_dir)
    if problem:
        yield Finding(app.name, f"working_dir '{app.working_dir}' {problem}")
    if app.venv is not None and (problem := _folder_problem(f"{app.venv}/bin")):
        hint = "" if os.path.exists(app.venv) else f"python3 -m venv {app.venv}"
        yield Finding(app.name, f"venv '{app.venv}': its folder bin {problem}", hint)


def _folder_problem(path: str) -> str:
    if not os.path.exists(path):
        return "does not exist"
    if not os.path.isdir(path):
        return "is not a folder"
    return "" if os.access(path, os.X_OK) else "cannot be entered"


def _missing_identity(app: AppSpec) -> Iterator[Finding]:
    who = app.identity
    if who.user is not None and not _user_exists(who.user):
        yield Finding(app.name, f"user '{who.user}' does not exist")
    for name in dict.fromkeys((*((who.group,) if who.group else ()), *(who.groups or ()))):
        if not _group_exists(name):
            yield Finding(app.name, f"group '{name}' does not exist")


def _missing_for_sockets(app: AppSpec) -> Iterator[Finding]:
    for spec in app.listen:
        if spec.path is None:
            continue
        folder = os.path.dirname(with_instance(spec.path, 0))
        if problem := _folder_problem(folder):
            yield Finding(app.name, f"listen '{spec}': its folder {problem}")
        if spec.owner is not None and not _user_exists(spec.owner):
            yield Finding(app.name, f"listen '{spec}': user '{spec.owner}' does not exist")
        if spec.group is not None and not _group_exists(spec.group):
            yield Finding(app.name, f"listen '{spec}': group '{spec.group}' does not exist")


def _shared_logs(config: Config) -> Iterator[Finding]:
    """Log files that only links make one; two that are called the same are no valid oxfile."""
    owners: dict[object, str] = {}
    for app in config.apps:
        for path in filter(None, (app.logs.file, app.logs.error_file)):
            path = with_instance(path, 0)
            owner = owners.setdefault(_file_behind(path), app.name)
            if owner != app.name and not path.startswith("/dev/"):
                yield Finding(app.name, f"log file '{path}' is that of {owner} by another name")


def _file_behind(path: str) -> object:
    """The same for all names of one file."""
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def _user_exists(name: str) -> bool:
    try:
        return bool(pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name))
    except (KeyError, OverflowError):
        return False


def _group_exists(name: str) -> bool:
    try:
        return name.isdigit() or bool(grp.getgrnam(name))
    except KeyError:
        return False


def _env_file_findings(app: AppSpec, error: ConfigError) -> Iterator[Finding]:
    for problem in error.problems:
        yield Finding(app.name, str(problem))
    if not error.problems:
        yield Finding(app.name, error.message, error.hint)


def _search_path(app: AppSpec, environ: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """PATH as a run of *app* will see it."""
    given = Given(
        name=app.name,
        instance=0,
        run_id="",
        project="",
        config="",
        socket="",
        working_dir=app.working_dir,
        venv=app.venv,
    )
    return compose(app, environ, variables, given)["PATH"]


def _missing_program(app: AppSpec, name: str, search: str, base: str) -> Iterator[Finding]:
    if "/" in name:
        path = os.path.join(app.working_dir, name)
        if not os.path.exists(path):
            yield Finding(app.name, f"'{name}' does not exist")
        elif not os.path.isfile(path) or not os.access(path, os.X_OK):
            yield Finding(app.name, f"'{name}' is not executable", f"chmod +x {path}")
    elif which(name, path=_absolute(search, app.working_dir)) is None:
        yield Finding(app.name, f"command not found: {name}", _venv_hint(app, name, base))


def _absolute(search: str, working_dir: str) -> str:
    """*search* with its relative folders as the app will find them, not as we would."""
    return os.pathsep.join(os.path.join(working_dir, each) for each in search.split(os.pathsep))


def _venv_hint(app: AppSpec, name: str, base: str) -> str:
    for venv in VENVS:
        if os.access(os.path.join(app.working_dir, venv, "bin", name), os.X_OK):
            line = f'venv = "{os.path.join(base, venv)}"'
            return f"{venv}/bin/{name} exists: add {line} to [processes.{app.name}]"
    return ""
