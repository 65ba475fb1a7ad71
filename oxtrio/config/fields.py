"""One table of an oxfile being read: hands out typed values, notes whatever is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

from oxtrio.config.expand import NONE, Expansion, Served
from oxtrio.config.keys import Key, Later, Table
from oxtrio.config.kinds import Unfit, shown
from oxtrio.config.oxfile import Oxfile
from oxtrio.config.positions import KeyPath
from oxtrio.config.suggestion import did_you_mean

T = TypeVar("T")

MOST_SUGGESTIONS = 50
"""Per file: comparing words is slow, and a file with more mistakes is no oxfile."""


class Fields:
    """The values of one table; each problem is noted once, however often a key is taken."""

    def __init__(self, raw: object, table: Table, path: KeyPath, oxfile: Oxfile) -> None:
        self._raw: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
        self._values: dict[str, Any] = {}
        self._inner: dict[str, Fields] = {}
        self.refused = raw is not None and not isinstance(raw, dict)
        """Whether it is no table, or asks for what is not supported yet."""
        self._table = table
        self._path = path
        self.oxfile = oxfile
        if self.refused:
            oxfile.note(path, f"{path[-1]} must be a table, is {shown(raw)}")
        self._refuse_unknown()

    def take(self, key: Key[T]) -> T:
        """The value of *key*; its default where it is absent or wrong."""
        if key.name not in self._values:
            self._values[key.name] = self._read(key)
        return cast(T, self._values[key.name])

    def has(self, key: Key[object]) -> bool:
        """Whether *key* is written in this table, right or wrong."""
        return key.name in self._raw

    def inner(self, key: Key[object]) -> "Fields":
        """The table of *key*; an empty one where it is absent."""
        assert key.table is not None
        if key.name not in self._inner:
            at = (*self._path, key.name)
            self._inner[key.name] = Fields(self._raw.get(key.name), key.table, at, self.oxfile)
        return self._inner[key.name]

    def members(self, key: Key[object]) -> list["Fields | str"]:
        """The value of *key*, which is a table, a string or an array of both, one by one."""
        assert key.table is not None
        value, at = self.take(key), (*self._path, key.name)
        items = value if isinstance(value, tuple) else ()
        alone = not isinstance(self._raw.get(key.name), list)
        return [
            item
            if isinstance(item, str)
            else Fields(item, key.table, at if alone else (*at, place), self.oxfile)
            for place, item in enumerate(items)
        ]

    def note(self, key: Key[object], what: str, hint: str = "") -> None:
        """Something is wrong with *key*, beyond its kind."""
        self.oxfile.note((*self._path, key.name), f"{key.name} {what}", hint)

    def written(self, key: Key[object]) -> str:
        """The text of the line that *key* is on."""
        return self.oxfile.written((*self._path, key.name))

    def expanded(self, key: Key[object], text: str, served: Served = NONE) -> str:
        """*text*, a value of *key*, with its variables replaced; what is *served* stays."""
        expansion = Expansion(self.oxfile.facts, served)
        result = expansion.of(text)
        for what, hint in expansion.wrong:
            self.note(key, f"cannot be expanded: {what}", hint)
        return result

    def path(self, key: Key[object], text: str, served: Served = NONE) -> str:
        """*text*, a value of *key*, as an absolute path; symlinks and `..` are kept."""
        expanded = self.expanded(key, text, served)
        if expanded.startswith("~"):
            self.note(key, f"must be a path, is {shown(expanded)}", "only ~ and ~/… are expanded")
        return str(PurePosixPath(self.oxfile.folder) / expanded)

    def optional_path(self, key: Key[str | None], served: Served = NONE) -> str | None:
        """The value of *key* as an absolute path, or None where there is none."""
        text = self.take(key)
        return None if text is None else self.path(key, text, served)

    def _read(self, key: Key[T]) -> T:
        if key.name not in self._raw:
            if key.required:
                self.oxfile.note((*self._path, key.name), f"{key.name} is missing")
            return key.default
        value = self._raw[key.name]
        try:
            return key.kind.read(value)
        except Unfit as unfit:
            what = unfit.what or f"must be {key.kind.text}, is {shown(value)}"
            self.note(key, what, unfit.hint)
            return key.default

    def _refuse_unknown(self) -> None:
        names = self._table.names()
        for name, value in self._raw.items():
            known = names.get(name)
            if isinstance(known, Later):
                self._refuse_later(known, value)
            elif known is None:
                hint = self._what_was_meant(name, value)
                self.oxfile.note((*self._path, name), f"unknown key {shown_key(name)}", hint)

    def _refuse_later(self, key: Later, value: object) -> None:
        if key.only is None or value != key.only:
            self.refused = True
            only = f" = {shown(value)}" if key.only is not None else ""
            self.oxfile.note(
                (*self._path, key.name), f"{key.name}{only} is not supported yet", key.hint
            )

    def _what_was_meant(self, name: str, value: object) -> str:
        if isinstance(value, dict) and "command" in value and self._path[:1] == ("processes",):
            return f'a name with a dot needs quotes: [processes."{self._path[-1]}.{name}"]'
        if len(self.oxfile.problems) > MOST_SUGGESTIONS:
            return ""
        return did_you_mean(name, self._table.names())


def shown_key(name: str) -> str:
    """A key that nobody knows, bounded in length and free of control characters."""
    return name if name.isidentifier() and len(name) <= 64 else shown(name)


def first(tables: Sequence[Fields], key: Key[T]) -> T:
    """The value of *key* in the first of *tables* that has it; else its default."""
    return next((fields for fields in tables if fields.has(key)), tables[0]).take(key)
