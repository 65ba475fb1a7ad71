"""Where a project lives: its state, which outlives a reboot, and its runtime folder.

Same user, same oxfile: same folders, whatever the environment. `$XDG_RUNTIME_DIR` is never
used: it ends with the login, and is missing in cron and `docker exec`.
"""

import errno
import json
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oxtrio.errors import OxtrioError, Refused
from oxtrio.project.lock import is_held, is_taken

DESCRIPTION = "project.json"
KEEPER_LOCK = "keeper.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of one project, and what is in them. None: everything stays in memory."""

    id: str
    state: str | None
    runtime: str | None

    @property
    def socket(self) -> str:
        """The address of the control socket: a path, or `@name` for an abstract one."""
        return f"{self.runtime}/control.sock" if self.runtime else abstract_address(self.id)

    @property
    def lock(self) -> str | None:
        """Who holds it is the supervisor; in memory the address itself is the lock."""
        return f"{self.runtime}/lock" if self.runtime else None

    @property
    def keeper_lock(self) -> str | None:
        """Who holds it is the keeper, which starts a supervisor that died by force again."""
        return f"{self.runtime}/{KEEPER_LOCK}" if self.runtime else None

    @property
    def runs(self) -> str | None:
        """Pipes, marks and records of runs."""
        return f"{self.runtime}/runs" if self.runtime else None

    @property
    def logs(self) -> str | None:
        """Logs that the oxfile does not place elsewhere."""
        return f"{self.state}/logs" if self.state else None

    @property
    def events(self) -> str | None:
        return f"{self.state}/events.ndjson" if self.state else None

    @property
    def supervisor_log(self) -> str | None:
        """What the supervisor itself has to say in the background."""
        return f"{self.state}/supervisor.log" if self.state else None

    @property
    def is_served(self) -> bool:
        """Whether a supervisor is there."""
        if self.lock is not None:
            return is_held(self.lock, self.state)
        return self.socket in _abstract_listeners()

    @property
    def is_kept(self) -> bool:
        """Whether a keeper is there: where no supervisor is, one is on its way."""
        return self.keeper_lock is not None and is_taken(self.keeper_lock)


def abstract_address(project_id: str) -> str:
    """Where a supervisor without any writable folder listens."""
    return f"@oxtrio/{os.geteuid()}/{project_id}"


def folders(project_id: str, environ: Mapping[str, str]) -> Folders:
    """The folders of a project; nothing is created. Where only memory serves it, that is found."""
    root, runtime = _roots(environ)
    found = Folders(id=project_id, state=f"{root}/{project_id}", runtime=runtime(project_id))
    if not found.is_served:
        in_memory = memory_only(project_id)
        if in_memory.is_served:
            return in_memory
    return found


def memory_only(project_id: str) -> Folders:
    """No folders at all: for a container that is read-only."""
    return Folders(id=project_id, state=None, runtime=None)


def prepare(wanted: Folders) -> None:
    """Create the folders, for this user alone.

    Raises `Refused` where somebody else could have put something there, and `OxtrioError`
    that names the folders where they cannot be written.
    """
    tried = [path for path in (wanted.state, wanted.runtime) if path]
    try:
        for path in tried:
            _make_private(path)
        for inner in (wanted.runs, wanted.logs):
            if inner:
                os.makedirs(inner, mode=0o700, exist_ok=True)
    except OSError as error:
        raise OxtrioError(
            f"cannot write to {' or '.join(tried)}: {error.strerror}",
            "set OXTRIO_HOME to a folder that you may write to",
        ) from error


def _make_private(path: str) -> None:
    parent = os.path.dirname(path)
    os.makedirs(parent, mode=0o755, exist_ok=True)
    mode = os.stat(parent).st_mode
    # In a sticky folder, such as /tmp, nobody can put another one in the place of ours.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise Refused(f"'{parent}' is writable for everybody", f"chmod o-w '{parent}'")
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"'{path}' is not a folder", "remove it, or set OXTRIO_HOME")
    if found.st_uid != os.geteuid():
        raise Refused(f"'{path}' belongs to another user", "remove it, or set OXTRIO_HOME")
    if found.st_mode & 0o022:
        raise Refused(f"'{path}' is writable for others", f"chmod 0700 '{path}'")
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.chmod(path, 0o700)
    if not os.access(path, os.W_OK):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def _roots(environ: Mapping[str, str]) -> "tuple[str, RuntimeOf]":
    """The parent of all state folders, and where the runtime folder of an id is."""
    own, runtime = environ.get("OXTRIO_HOME"), ""
    if own:
        state, runtime = f"{own}/state", f"{own}/run"
    elif os.geteuid() == 0:
        state, runtime = "/var/lib/oxtrio", "/run/oxtrio"
    else:
        state, runtime = os.path.join(home_of(environ), ".local/state/oxtrio"), ""
    state = os.path.abspath(environ.get("OXTRIO_STATE_DIR") or state)
    runtime = environ.get("OXTRIO_RUNTIME_DIR") or runtime
    return state, RuntimeOf(os.path.abspath(runtime) if runtime else "", state)


@dataclass(frozen=True, slots=True)
class RuntimeOf:
    """Project id → runtime folder. Without a folder of the system's it is beside the state."""

    root: str
    state: str

    def __call__(self, project_id: str) -> str:
        if self.root:
            return f"{self.root}/{project_id}"
        return f"{self.state}/{project_id}/run-{_boot()}"

    def all(self) -> Iterator[str]:
        """Every runtime folder that is there."""
        pattern = "*" if self.root else f"*/run-{_boot()}"
        with suppress(OSError):
            yield from map(str, sorted(Path(self.root or self.state).glob(pattern)))


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return "00000000"


def home_of(environ: Mapping[str, str]) -> str:
    """The home folder: `$HOME`, else that of the password file."""
    if environ.get("HOME"):
        return environ["HOME"]
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProject:
    """A project that a supervisor of this user serves now."""

    id: str
    name: str | None
    identity: str
    files: tuple[str, ...]
    pid: int
    apps: int = 0


def describe(where: Folders, running: RunningProject) -> None:
    """Leave word of who serves what, for `ls` and `-p`."""
    if where.runtime is None:
        return
    path = f"{where.runtime}/{DESCRIPTION}"
    text = {slot: getattr(running, slot) for slot in running.__slots__}
    with suppress(OSError):
        Path(f"{path}.new").write_text(json.dumps(text))
        os.replace(f"{path}.new", path)


def running(environ: Mapping[str, str]) -> list[RunningProject]:
    """Every project of this user that is served now, or again in a moment."""
    _, runtime = _roots(environ)
    found = [
        _described(path)
        for path in runtime.all()
        if is_held(f"{path}/lock") or is_taken(f"{path}/{KEEPER_LOCK}")
    ]
    prefix = abstract_address("")
    found += [
        RunningProject(id=name.removeprefix(prefix), name=None, identity=name, files=(), pid=0)
        for name in sorted(_abstract_listeners())
        if name.startswith(prefix)
    ]
    return found


def _described(folder: str) -> RunningProject:
    try:
        raw = json.loads(Path(f"{folder}/{DESCRIPTION}").read_text())
        return RunningProject(**{**raw, "files": tuple(raw["files"])})
    except (OSError, ValueError, TypeError, KeyError):
        # It is served, whatever the file says: it may just be starting, or the disk was full.
        named = folder if "/run-" not in folder else os.path.dirname(folder)
        found = os.path.basename(named)
        return RunningProject(id=found, name=None, identity=found, files=(), pid=0)


def _abstract_listeners() -> set[str]:
    try:
        lines = Path("/proc/net/unix").read_text().splitlines()
    except OSError:
        return set()
    names = (line.split()[-1] for line in lines[1:] if line)
    return {name for name in names if name.startswith("@oxtrio/")}
