"""`~`, `${VAR}` and `${VAR:-default}` in the values of an oxfile (SPEC §2, Expansion).

`${instance}`, `${port}` and `${fd}` are no variables but placeholders: they stay in the text, where
they serve, until a run is started.

It is done once: what a variable holds is never expanded again. A `$` without a brace is
literal, as secrets contain it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from oxtrio.model.facts import Facts

VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
BRACES: Final = re.compile(r"\$\{|\}")
INSTANCE: Final = "${instance}"
PORT: Final = "${port}"
PLACEHOLDER: Final = re.compile(r"\$\{(?:instance|port|fd|fd:[^{}]*)\}")

Served = Mapping[str, str]
"""Placeholders that a value may contain, each with why it does not serve, or "" where it does."""

NONE: Final[Served] = {}
ONLY_INSTANCE: Final[Served] = {INSTANCE: ""}
DEEPEST: Final = 8
"""Levels of defaults within defaults."""

NO_PORT = "needs the key port, such as port = 8000"
LITERAL = "a literal ${ can only stand in an env_file"


@dataclass(slots=True)
class Expansion:
    """Expands strings; *wrong* collects (what, hint) of everything that cannot be."""

    facts: Facts
    served: Served = field(default_factory=dict)
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def of(self, text: str, depth: int = 0) -> str:
        """*text* with everything replaced that can be."""
        pieces = []
        if text == "~" or text.startswith("~/"):
            pieces.append(self.facts.home or "~")
            text = text[1:]
        at = 0
        while (start := text.find("${", at)) >= 0:
            end = _closing(text, start)
            if end < 0 or depth > DEEPEST:
                self.wrong.append((f"{text[start:][:20]} does not end", LITERAL))
                break
            pieces += text[at:start], self._value(text[start + 2 : end], depth)
            at = end + 1
        return "".join((*pieces, text[at:]))

    def _value(self, inner: str, depth: int) -> str:
        whole = f"${{{inner}}}"
        if PLACEHOLDER.fullmatch(whole):
            problem = self.served.get(whole, "does not serve here")
            if problem:
                self.wrong.append((f"{whole} {problem}", ""))
            return whole
        found = VARIABLE.fullmatch(inner)
        if found is None:
            self.wrong.append(
                (f"{whole[:40]} is neither ${{NAME}} nor ${{NAME:-default}}", LITERAL)
            )
            return ""
        name, default = found.groups()
        return self._variable(name) if default is None else self._or(name, default, depth)

    def _variable(self, name: str) -> str:
        value = self.facts.environ.get(name)
        if value is None:
            hint = f"set it, or give a default: ${{{name}:-...}}"
            self.wrong.append((f"${{{name}}} is not set in the environment", hint))
        return value or ""

    def _or(self, name: str, default: str, depth: int) -> str:
        # As in a shell, an empty variable takes the default too.
        return self.facts.environ.get(name) or self.of(default, depth + 1)


def served(port: int | None) -> Served:
    """What `env` and `endpoint` of an app may contain that has this *port*, or none."""
    return {INSTANCE: "", PORT: "" if port else NO_PORT}


def _closing(text: str, start: int) -> int:
    """Where the `${` at *start* is closed, or -1."""
    depth = 0
    for brace in BRACES.finditer(text, start):
        depth += -1 if brace[0] == "}" else 1
        if depth == 0:
            return brace.start()
    return -1
