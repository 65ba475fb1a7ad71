"""How many instances an operator asked for at run time, beside what the oxfile says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from oxtrio.model.spec import AppSpec, Config


@dataclass(slots=True)
class Scaling:
    """Numbers that hold until the oxfile says another one than it did when they were asked for."""

    _asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Name of an app: what the oxfile said then, and what was asked for."""
    _said: dict[str, int] = field(default_factory=dict)
    """What the oxfile says now."""

    def remember(self, name: str, count: int, config: Config) -> None:
        """An operator wants *count* of *name*."""
        app = config.app(name)
        said = self._said.get(name, count if app is None else app.instances)
        self._asked[name] = (said, count)

    @property
    def asked(self) -> Mapping[str, tuple[int, int]]:
        """What holds: by app what the oxfile said, and what was asked for."""
        return self._asked

    def recall(self, name: str, said: int, asked: int) -> None:
        """What an operator wanted of an earlier supervisor."""
        self._asked[name] = (said, asked)

    def read(self, config: Config) -> Config:
        """What the oxfile says, as it was read, with the numbers that still hold."""
        self._said = {app.name: app.instances for app in config.apps}
        for name, (said, _) in list(self._asked.items()):
            if self._said.get(name) != said:
                del self._asked[name]
        return self.applied(config)

    def applied(self, config: Config) -> Config:
        """*config* with the numbers that hold."""
        return replace(config, apps=tuple(map(self._applied, config.apps)))

    def _applied(self, app: AppSpec) -> AppSpec:
        asked = self._asked.get(app.name)
        return app if asked is None else replace(app, instances=asked[1])
