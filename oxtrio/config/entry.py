"""An app beside the other apps of its project."""

from dataclasses import dataclass

from oxtrio.config.oxfile import Oxfile
from oxtrio.model.spec import AppSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """An app, and the oxfile that it stands in."""

    app: AppSpec
    oxfile: Oxfile

    def note(self, key: str, what: str, hint: str = "") -> None:
        """Something is wrong with *key* of this app, seen beside the others."""
        at = ("processes", self.app.name, *((key,) if key else ()))
        self.oxfile.note(at, f"{key} {what}" if key else what, hint)
