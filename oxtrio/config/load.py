"""The texts of a project's oxfiles become one `Config`, or every problem that they have."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from oxtrio.config.addresses import check_addresses
from oxtrio.config.dependencies import check_dependencies, dependency_warnings
from oxtrio.config.dialects.processes import Defaults, read_app
from oxtrio.config.entry import Entry
from oxtrio.config.fields import Fields
from oxtrio.config.log_files import check_log_files
from oxtrio.config.oxfile import Oxfile
from oxtrio.config.tables.top import PROCESSES, TOP
from oxtrio.config.top import read_defaults, read_supervisor, refuse_twice
from oxtrio.errors import ConfigError, Problem
from oxtrio.model.facts import Facts, Source
from oxtrio.model.spec import AppSpec, Config

NO_APPS = 'defines no apps: each is a table [processes.<name>] with a "command"'


def load(sources: Sequence[Source], facts: Facts) -> Config:
    """Read *sources*, which are one project together.

    Raises `ConfigError`, whose `problems` are all that is wrong in all of them, in order.
    """
    oxfiles = [Oxfile(source, facts) for source in sources]
    refuse_twice(oxfiles)
    tops = [Fields(oxfile.content, TOP, (), oxfile) for oxfile in oxfiles]
    supervisor = read_supervisor(tops)
    entries = _read_apps(tops, read_defaults(tops))
    if all(oxfile.readable for oxfile in oxfiles):
        check_dependencies(entries)
    check_log_files(entries.values())
    check_addresses(entries.values())
    _raise_problems(oxfiles, empty=not entries)
    apps = tuple(entry.app for entry in entries.values())
    return Config(
        files=tuple(source.path for source in sources),
        apps=apps,
        supervisor=supervisor,
        warnings=(*_root_warning(apps, facts), *dependency_warnings(entries)),
    )


def _read_apps(tops: Sequence[Fields], defaults: Defaults) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    by_lower: dict[str, Entry] = {}
    for top in tops:
        for name, raw in (top.take(PROCESSES) or {}).items():
            entry = Entry(read_app(name, raw, top.oxfile, defaults), top.oxfile)
            other = by_lower.setdefault(name.lower(), entry)
            if other is not entry:
                _refuse_same_name(entry, other)
            entries.setdefault(name, entry)
    return entries


def _refuse_same_name(entry: Entry, other: Entry) -> None:
    line = other.oxfile.line(("processes", other.app.name))
    where = f"{other.oxfile.path}:{line}"
    if entry.app.name == other.app.name:
        entry.note("", f"{entry.app.name} is in {where} too")
    else:
        entry.note("", f"{entry.app.name} differs only by case from {other.app.name} in {where}")


def _raise_problems(oxfiles: Sequence[Oxfile], *, empty: bool) -> None:
    problems = [
        problem
        for oxfile in oxfiles
        for problem in sorted(oxfile.problems, key=lambda problem: problem.line)
    ]
    if empty and not problems:
        problems = [Problem(oxfiles[0].path, 0, NO_APPS)]
    if problems:
        files = sorted({problem.file for problem in problems})
        what = f"{len(files)} files are" if len(files) > 1 else f"{PurePosixPath(files[0]).name} is"
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{what} not valid: {count}", problems=tuple(problems))


def _root_warning(apps: Sequence[AppSpec], facts: Facts) -> tuple[str, ...]:
    names = [app.name for app in apps if app.identity.user is None]
    if not facts.root or not names:
        return ()
    return (f'{", ".join(names)} would run as root: set user = "..."',)
