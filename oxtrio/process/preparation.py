"""From a spec to a launch: everything that is looked up anew at every spawn."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from oxtrio.errors import OxtrioError, SpawnFailed
from oxtrio.model.spec import AppSpec, HealthSpec
from oxtrio.policy.command import argv, with_instance
from oxtrio.policy.environment import Given, compose
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.identity import Identity, identity_of
from oxtrio.system.spawn import Launch


@dataclass(slots=True, kw_only=True)
class Preparation:
    """How one instance is launched, during one life.

    Env files are read once a life, so that a crash does not pick up a half-written one; links
    to folders are followed at every spawn, so that a switched `current` is a deploy.
    """

    spec: AppSpec
    instance: int
    inherited: Mapping[str, str] = field(repr=False)
    surroundings: Surroundings
    _from_files: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def health(self) -> HealthSpec | None:
        """The health check of this instance."""
        health = self.spec.health
        if health is None or health.endpoint is None:
            return health
        return replace(health, endpoint=with_instance(health.endpoint, self.instance))

    def launch(self, run_id: str, stdout: int, stderr: int) -> Launch:
        """The next run. Raises `SpawnFailed` for what can be told before the spawn."""
        return self.launch_of(self.spec.command, run_id, stdout, stderr)

    def launch_of(
        self, command: str | tuple[str, ...], run_id: str, stdout: int, stderr: int
    ) -> Launch:
        """Any command, as the app would run it. Raises `SpawnFailed`."""
        spec, who = self.spec, identity_of(self.spec.identity)
        cwd = os.path.realpath(spec.working_dir)
        return Launch(
            argv=argv(self._numbered(command)),
            cwd=cwd,
            env=compose(spec, self.inherited, self._files(), self._given(run_id, cwd, who)),
            stdout=stdout,
            stderr=stderr,
            identity=who,
            umask=-1 if spec.identity.umask is None else spec.identity.umask,
            nice=spec.identity.nice,
            oom_score_adj=spec.identity.oom_score_adj,
            rlimits=spec.identity.rlimits,
        )

    def _numbered(self, command: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(command, str):
            return with_instance(command, self.instance)
        return tuple(with_instance(word, self.instance) for word in command)

    def _given(self, run_id: str, cwd: str, who: Identity | None) -> Given:
        spec, around = self.spec, self.surroundings
        return Given(
            name=spec.name,
            instance=self.instance,
            run_id=run_id,
            project=around.project,
            config=around.config,
            socket=around.socket,
            working_dir=cwd,
            venv=os.path.realpath(spec.venv) if spec.venv else None,
            user=(who.name, who.home, who.shell) if who and spec.identity.user else None,
        )

    def _files(self) -> Mapping[str, str]:
        if self._from_files is None:
            found: dict[str, str] = {}
            for path in self.spec.env_files:
                try:
                    found.update(self.surroundings.read_env_file(path))
                except OxtrioError as error:
                    raise SpawnFailed(error.message, error.hint) from error
            self._from_files = found
        return self._from_files
