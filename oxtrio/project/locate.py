"""Which project a command is about: one oxfile, or several that are one project together."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oxtrio.config.syntax import parse
from oxtrio.config.values import is_name
from oxtrio.errors import ConfigError, NotRunning, OxtrioError, Problem, UsageError
from oxtrio.project.folders import RunningProject, home_of, running
from oxtrio.project.oxfile import read_sources

OXFILE = "oxfile.toml"
NAME_HINT = "it takes letters, digits and _ . -"


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
    if name is not None:
        _check_name(name)
    if configs:
        return _of_files([_absolute(path, environ) for path in configs], name, environ)
    if name is not None:
        known = (name, _id_of_command(name))
        served = next(
            (each for each in running(environ) if each.name == name or each.id in known), None
        )
        if served is not None:
            return _of_running(served)
    found = _find(environ)
    if found is not None:
        return _of_files([found], name, environ)
    if name is not None:
        raise NotRunning(f"no project named '{name}' is running", _running_hint(environ))
    raise ConfigError(*_nothing_found(environ, for_run))


def ad_hoc(command: Sequence[str], name: str | None, environ: Mapping[str, str]) -> Project:
    """A project without an oxfile, for one command: *name*, else one that nothing else has."""
    if name is not None:
        _check_name(name)
        return Project(files=(), identity=name, id=_id_of_command(name), name=name)
    # No pid: it is 1 in every container, and several of them may have one network.
    identity = f"{current_folder(environ)}: {' '.join(command)} [{os.urandom(8).hex()}]"
    return Project(files=(), identity=identity, id=project_id(command[0], identity))


def _id_of_command(name: str) -> str:
    """Its folders go with it: they are not those of a project that has this name in its oxfile."""
    return project_id(name, f"{name} --")


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(f"'{name}' cannot be the name of a project", NAME_HINT)


def current_folder(environ: Mapping[str, str]) -> str:
    """The current folder as the user sees it: `$PWD` where that names it, links kept."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise ConfigError("the current folder does not exist any more", "cd to one") from None
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


def _of_files(files: Sequence[str], name: str | None, environ: Mapping[str, str]) -> Project:
    if name is None:
        try:
            name = _named_in(files)
        except (OxtrioError, ValueError):
            served = _served_from(files[0], environ)
            return served or _named(files, None)
        # A name that was added while it runs replaces the path when it has been stopped.
        served = _served_from(files[0], environ) if name else None
        if served is not None and served.name is None:
            return served
    return _named(files, name)


def _named(files: Sequence[str], name: str | None) -> Project:
    identity = name or files[0]
    return Project(
        files=tuple(files),
        identity=identity,
        id=project_id(name or os.path.dirname(files[0]), identity),
        name=name,
    )


def _of_running(served: RunningProject) -> Project:
    return Project(files=served.files, identity=served.identity, id=served.id, name=served.name)


def _served_from(path: str, environ: Mapping[str, str]) -> Project | None:
    """The one project of *path* that runs: also while the file itself cannot be read."""
    served = [each for each in running(environ) if each.files[:1] == (path,)]
    return _of_running(served[0]) if len(served) == 1 else None


def _named_in(files: Sequence[str]) -> str | None:
    """`[supervisor] name`, from the first file that has it."""
    for source in read_sources(files):
        content = parse(source.path, source.text)
        if isinstance(content, Problem):
            raise ValueError
        supervisor = content.get("supervisor")
        name = supervisor.get("name") if isinstance(supervisor, dict) else None
        if isinstance(name, str) and is_name(name):
            return name
    return None


def _find(environ: Mapping[str, str]) -> str | None:
    named = environ.get("OXTRIO_CONFIG")
    if named:
        return _absolute(named, environ)
    folder = Path(current_folder(environ))
    for each in (folder, *folder.parents):
        # A link that leads nowhere counts: its own error is better than another project.
        if os.path.lexists(each / OXFILE):
            return str(each / OXFILE)
    home = home_of(environ)
    xdg = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    for path in (f"{xdg}/oxtrio/{OXFILE}", f"{home}/.config/oxmgr/{OXFILE}"):
        if os.path.lexists(path):
            return path
    return None


def _absolute(path: str, environ: Mapping[str, str]) -> str:
    """*path* as the user sees it: `..` goes back over a link only where that is the same file."""
    if path.startswith("~/"):
        path = home_of(environ) + path[1:]
    full = path if os.path.isabs(path) else os.path.join(current_folder(environ), path)
    shown = re.sub("^//+", "/", os.path.normpath(full))
    folder, name = os.path.split(full)
    with suppress(OSError):
        if not os.path.samefile(folder, os.path.dirname(shown)):
            return os.path.join(os.path.realpath(folder), name)
    return shown


def _nothing_found(environ: Mapping[str, str], for_run: bool) -> tuple[str, str]:
    here = current_folder(environ)
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
