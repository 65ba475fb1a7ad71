"""What a key of an oxfile is: the one definition that reader, schema and documentation share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from oxtrio.config.kinds import Kind

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Generic[T_co]):
    """One key: its name, kind, default and meaning, and a line that shows its use."""

    name: str
    kind: Kind[T_co]
    default: T_co
    meaning: str
    example: str = ""
    """TOML that is valid inside the key's table."""
    unset: str = ""
    """What happens without the key, where the default itself does not say it."""
    required: bool = False
    table: "Table | None" = None
    """The keys inside, for a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A key that SPEC knows and this version does not: refused, never silently ignored."""

    name: str
    only: object = None
    """The one value that this version already honours, if any."""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one table of an oxfile; *header* is how it is written there."""

    header: str
    keys: tuple[Key[object], ...]
    later: tuple[Later, ...] = ()

    def names(self) -> Mapping[str, Key[object] | Later]:
        """Every key that may be mistyped, those of later versions included."""
        later = {key.name: key for key in self.later}
        return {**later, **{key.name: key for key in self.keys}}


def later(*names: str) -> tuple[Later, ...]:
    """Keys of which no value is supported yet."""
    return tuple(Later(name=name) for name in names)
