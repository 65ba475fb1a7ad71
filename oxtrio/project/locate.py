"""Which project a command is about: one oxfile, or several that are one project together."""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oxtrio.errors import ConfigError, NotRunning
from oxtrio.project.folders import RunningProject, home_of, running

OXFILE = "oxfile.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project: (project, app name) identifies an app, never the name alone."""

    files: tuple[str, ...]
    """Absolute paths of its oxfiles, links kept: a `current` link stays one project."""
    identity: str
    """The path of the first oxfile, or the name that replaces it."""
    id: str
    """The identity as the name of a folder."""
    name: str | None = None
    """From `-p` or `[supervisor] name`."""


def locate(
    configs: Sequence[str], name: str | None, environ: Mapping[str, str], *, for_run: bool = False
) -> Project:
    """The project that `-c`, `-p`, the environment or the current folder mean (SPEC §1).

    Raises `ConfigError` where there is none, with the projects that run, and `NotRunning` for
    a name that nothing has.
    """
    here = current_folder(environ)
    if configs:
        return _of_files([_absolute(path, here) for path in configs], name)
    if name is not None:
        served = next((each for each in running(environ) if name in (each.name, each.id)), None)
        if served is not None:
            return _of_running(served)
    found = _find(environ, here)
    if found is not None:
        return _of_files([found], name)
    if name is not None:
        raise NotRunning(f"no project named '{name}' is running", _running_hint(environ))
    raise ConfigError(*_nothing_found(here, environ, for_run))


def ad_hoc(command: Sequence[str], environ: Mapping[str, str]) -> Project:
    """A project without an oxfile, for one command. Each has its own identity."""
    identity = f"{current_folder(environ)}: {' '.join(command)} [{os.getpid()}]"
    return Project(files=(), identity=identity, id=project_id(command[0], identity))


def current_folder(environ: Mapping[str, str]) -> str:
    """The current folder as the user sees it: `$PWD` where that names it, links kept."""
    here = os.getcwd()
    shown = environ.get("PWD", "")
    with suppress(OSError):
        if os.path.isabs(shown) and os.path.samefile(shown, here):
            return os.path.normpath(shown)
    return here


def project_id(name: str, identity: str) -> str:
    """A folder name that is readable, and different for every identity."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(name.rstrip("/"))).strip("-.")
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{readable[:40] or 'root'}-{digest}"


def _of_files(files: Sequence[str], name: str | None) -> Project:
    name = name or _named_in(files[0])
    identity = name or files[0]
    return Project(
        files=tuple(files),
        identity=identity,
        id=project_id(name or os.path.dirname(files[0]), identity),
        name=name,
    )


def _of_running(served: RunningProject) -> Project:
    return Project(files=served.files, identity=served.identity, id=served.id, name=served.name)


def _named_in(path: str) -> str | None:
    """`[supervisor] name`. A file that cannot be read has none; whoever loads it says why."""
    with suppress(OSError, ValueError, RecursionError):
        if not os.path.isfile(path) or os.path.getsize(path) > 4 * 1024 * 1024:
            return None
        supervisor = tomllib.loads(Path(path).read_text()).get("supervisor")
        name = supervisor.get("name") if isinstance(supervisor, dict) else None
        return name if isinstance(name, str) and name else None
    return None


def _find(environ: Mapping[str, str], here: str) -> str | None:
    named = environ.get("OXTRIO_CONFIG")
    if named:
        return _absolute(named, here)
    folder = Path(here)
    for each in (folder, *folder.parents):
        if (each / OXFILE).exists():
            return str(each / OXFILE)
    home = home_of(environ)
    xdg = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    for path in (f"{xdg}/oxtrio/{OXFILE}", f"{home}/.config/oxmgr/{OXFILE}"):
        if os.path.exists(path):
            return path
    return None


def _absolute(path: str, here: str) -> str:
    return os.path.normpath(os.path.join(here, os.path.expanduser(path)))


def _nothing_found(here: str, environ: Mapping[str, str], for_run: bool) -> tuple[str, str]:
    if for_run and os.path.exists(f"{here}/Procfile"):
        return (
            "a Procfile is not supported yet",
            'write an oxfile.toml: [processes.web] with command = "…" for each of its lines',
        )
    what = f"no {OXFILE} in {here} or above it"
    return what, _running_hint(environ)


def _running_hint(environ: Mapping[str, str]) -> str:
    served = running(environ)
    if not served:
        return f"name one by -c FILE, or write {OXFILE}: [processes.web] with a command"
    names = ", ".join(f"-p {each.name or each.id}" for each in served)
    return f"these projects run: {names}"
