"""What became of every request that the client sent."""

import json
import os
import time
from array import array

KINDS = (
    *("ok", "refused", "reset", "closed", "timeout", "bad status", "truncated", "wrong content"),
    *("raced close", "dropped idle", "reset idle"),
)
OK, REFUSED, RESET, CLOSED, TIMEOUT, BAD_STATUS, TRUNCATED, WRONG, RACED, DROPPED, RESET_IDLE = (
    range(len(KINDS))
)
NO_FAILURE = (OK, RACED, DROPPED, RESET_IDLE)
NOBODY = -1


class Notes:
    """What became of every request, in the order in which they ended."""

    def __init__(self) -> None:
        self.at, self.took = array("d"), array("d")
        self.kind, self.who = array("b"), array("h")
        self.names: list[str] = []
        self.first: dict[str, str] = {}
        """Of each kind of failure the first, in words."""
        self.failed = 0
        self._known: dict[bytes, int] = {}

    def add(self, kind: int, began: float, who: int = NOBODY, words: str = "") -> None:
        now = time.monotonic()
        self.at.append(now)
        self.took.append(now - began)
        self.kind.append(kind)
        self.who.append(who)
        if kind != OK:
            self.failed += kind not in NO_FAILURE
            self.first.setdefault(KINDS[kind], f"after {now - began:.3f} s: {words}")

    def server(self, body: bytes) -> int:
        """The number of who says *body*; `NOBODY` where it is not what a server should say."""
        if body not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[body] = self._number(body)
        return self._known[body]

    def _number(self, body: bytes) -> int:
        try:
            said = json.loads(body)
            name = f"{said['release']}/{said['pid']}"
        except (ValueError, KeyError, TypeError):
            return NOBODY
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def write(self, **more: float) -> None:
        arrays = (self.at, self.took, self.kind, self.who)
        head = {
            "kinds": KINDS,
            "no_failure": [KINDS[kind] for kind in NO_FAILURE],
            "count": len(self.at),
            "names": self.names,
            "first": self.first,
            **more,
        }
        with os.fdopen(1, "wb") as out:
            out.write(json.dumps(head).encode() + b"\n")
            for each in arrays:
                out.write(each.tobytes())
