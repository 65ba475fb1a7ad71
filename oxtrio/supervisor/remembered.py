"""What outlives the supervisor, and a reboot: as data, as bytes, and as the file `state.json`."""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from oxtrio.errors import ProtocolError
from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.spec import AppSpec, Config, Pairs, SupervisorSpec
from oxtrio.policy.versions import version_of, version_of_environment
from oxtrio.process.past import PastRun

FORMAT = 1
"""Raised where an older oxtrio would misread what is written; new fields alone do not."""
STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A spec that was applied, under its version."""

    version: str
    spec: AppSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """Variables that runs inherit, under their version. Never shown: they hold secrets."""

    version: str
    variables: Pairs = field(repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Inherited":
        """Just these variables."""
        pairs = tuple(sorted(environ.items()))
        return cls(version=version_of_environment(environ), variables=pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedInstance:
    """One numbered copy of an app."""

    app: str
    number: int
    wanted: bool
    state: str
    """Not a `State`: a later version may have others."""
    reason: str = ""
    version: str = ""
    """Of the spec of its life, or of the next one."""
    environment: str = ""
    drained: bool = False
    restarts: int = 0
    failures: int = 0
    ends: int = 0
    """Of its streak (policy/restart.py)."""
    next_at: float | None = None
    """`boot_seconds` of the next attempt, in backoff."""
    past: PastRun | None = None
    """The last run that ended, and its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """An operator asked for *asked* instances when the oxfile said *said*."""

    app: str
    said: int
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """All of it. Names of apps are in the order in which they are shown."""

    format: int = FORMAT
    boot_id: str = ""
    apps: tuple[tuple[str, str], ...] = ()
    """Each app, and the version of the spec that it has."""
    specs: tuple[Applied, ...] = ()
    environment: str = ""
    """Version of the variables that the supervisor itself hands on."""
    environments: tuple[Inherited, ...] = ()
    instances: tuple[RememberedInstance, ...] = ()
    scaled: tuple[Scaled, ...] = ()
    files: tuple[str, ...] = ()
    """The oxfiles, and what they say of the supervisor itself."""
    supervisor: SupervisorSpec = field(default_factory=SupervisorSpec)

    def config(self, stale: str) -> Config:
        """What the oxfile said when it could last be used; *stale* tells why it cannot now."""
        specs = (self.spec(version) for _, version in self.apps)
        apps = tuple(spec for spec in specs if spec is not None)
        return Config(files=self.files, apps=apps, supervisor=self.supervisor, stale=stale)

    def spec(self, version: str) -> AppSpec | None:
        """The spec of this version, or None."""
        return next((each.spec for each in self.specs if each.version == version), None)

    def environ(self, version: str) -> Mapping[str, str] | None:
        """The variables of this version, or None."""
        found = (dict(each.variables) for each in self.environments if each.version == version)
        return next(found, None)


class Versions:
    """Gathers the specs and environments that a snapshot speaks of, each one once.

    One object serves every snapshot: what has not changed is not looked at again.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Mapping[str, str], Inherited]] = {}
        self._specs: dict[str, Applied] = {}
        self._environments: dict[str, Inherited] = {}

    def begin(self) -> None:
        """A new snapshot: nothing is spoken of yet."""
        spoken = {each.version for each in self._environments.values()}
        self._known = {key: pair for key, pair in self._known.items() if pair[1].version in spoken}
        self._specs, self._environments = {}, {}

    def spec(self, spec: AppSpec) -> str:
        """The version of *spec*, which is spoken of."""
        version = version_of(spec)
        self._specs.setdefault(version, Applied(version=version, spec=spec))
        return version

    def environment(self, environ: Mapping[str, str]) -> str:
        """The version of *environ*, which is spoken of, and never changed afterwards."""
        known = self._known.get(id(environ))
        if known is None or known[0] is not environ:
            known = self._known[id(environ)] = (environ, Inherited.of(environ))
        self._environments.setdefault(known[1].version, known[1])
        return known[1].version

    @property
    def specs(self) -> tuple[Applied, ...]:
        return tuple(self._specs.values())

    @property
    def environments(self) -> tuple[Inherited, ...]:
        return tuple(self._environments.values())


def bytes_of(remembered: Remembered) -> bytes:
    """What stands in the file."""
    return json.dumps(to_plain(remembered), separators=(",", ":")).encode()


def remembered_of(raw: bytes) -> Remembered:
    """What the bytes of a file say. Raises `ValueError` where they make no sense."""
    try:
        plain = json.loads(raw)
        if isinstance(plain, dict) and "format" not in plain:
            raise ValueError("it does not say of which format it is")
        remembered = from_plain(Remembered, plain, strict=False)
    except (ProtocolError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if remembered.format > FORMAT:
        raise ValueError(f"it is of format {remembered.format}, written by a later oxtrio")
    return remembered


def load(folder: str, warn: Callable[[str], None]) -> Remembered | None:
    """What an earlier supervisor has left in *folder*; None where there is nothing.

    What cannot be understood is set aside, and *warn* is told where; so is what cannot be read.
    """
    path = os.path.join(folder, STATE)
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        warn(f"cannot read {path}: {(error.strerror or str(error)).lower()}")
        return None
    try:
        return remembered_of(raw)
    except ValueError as error:
        aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
        with suppress(OSError):
            os.replace(path, aside)
        # What it says may be quoted: never more than where it is wrong.
        warn(f"{path} cannot be used and was set aside as {aside}: {_why(error)}")
        return None


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it is not JSON"
    return str(error)
