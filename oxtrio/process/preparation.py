"""From a spec to a launch: everything that is looked up anew at every spawn."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from oxtrio.errors import OxtrioError, SpawnFailed
from oxtrio.model.spec import AppSpec, HealthSpec
from oxtrio.policy.command import argv, with_instance, with_port
from oxtrio.policy.environment import Given, compose
from oxtrio.policy.serving import Serving, numbered, serving_of, without_holding
from oxtrio.process.sockets import Place
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
    place: Place | None = None
    """Where its runs listen, once that has been found."""
    is_newcomer: bool = False
    """Its first run is on trial beside the one that it shall replace."""
    _from_files: Mapping[str, str] | None = field(default=None, repr=False)
    _serving: Serving | None = field(default=None, repr=False)

    @property
    def serving(self) -> Serving:
        """How its runs are reached. Raises `SpawnFailed` where an env file cannot be read."""
        if self._serving is None:
            cwd = os.path.realpath(self.spec.working_dir)
            self._serving = serving_of(
                replace(self.spec, health=self._health(self.spec.port)),
                self.instance,
                self._environ,
                lambda name: os.path.exists(os.path.join(cwd, name)),
            )
        return self._serving

    def leave_alone(self, why: str) -> None:
        """Its address cannot be held: it is run as it would be by hand."""
        self._serving = without_holding(self.serving, self.spec, self.instance, why)
        self.place = None

    @property
    def health(self) -> HealthSpec | None:
        """The health check of this instance."""
        return self._health(self._serving.port if self._serving else self.spec.port)

    def _health(self, port: int | None) -> HealthSpec | None:
        health = self.spec.health
        if health is None or health.endpoint is None:
            return health
        endpoint = with_instance(health.endpoint, self.instance)
        return replace(health, endpoint=endpoint if port is None else with_port(endpoint, port))

    @property
    def uid(self) -> int | None:
        """Whom its runs act as; None: as oxtrio itself."""
        who = identity_of(self.spec.identity)
        return None if who is None else who.uid

    def launch(
        self, run_id: str, stdout: int, stderr: int, more: Mapping[str, str] | None = None
    ) -> Launch:
        """The next run, which gets the variables *more* too.

        Raises `SpawnFailed` for what can be told before the spawn.
        """
        serving = self.serving
        launch = self._launch(serving.command, run_id, stdout, stderr)
        env = {**launch.env, **dict(serving.env), **(more or {})}
        if self.place is None:
            return replace(launch, env=env)
        if serving.listen_fds:
            names = [listen.name or "unknown" for listen in serving.listens]
            env |= {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        sockets = self.place.descriptors
        return replace(launch, env=env, sockets=sockets, listen_pid=serving.listen_fds)

    def launch_beside(
        self, command: str | tuple[str, ...], run_id: str, stdout: int, stderr: int
    ) -> Launch:
        """Another command, as the app would run it. Raises `SpawnFailed`."""
        filled = numbered(command, self.instance, self.serving.port)
        return self._launch(filled, run_id, stdout, stderr)

    def _launch(
        self, command: str | tuple[str, ...], run_id: str, stdout: int, stderr: int
    ) -> Launch:
        spec, who = self.spec, identity_of(self.spec.identity)
        return Launch(
            argv=argv(command),
            cwd=os.path.realpath(spec.working_dir),
            env=self._environ(self.serving.port, run_id),
            stdout=stdout,
            stderr=stderr,
            identity=who,
            umask=-1 if spec.identity.umask is None else spec.identity.umask,
            nice=spec.identity.nice,
            oom_score_adj=spec.identity.oom_score_adj,
            rlimits=spec.identity.rlimits,
            run_id=run_id,
        )

    def _environ(self, port: int | None, run_id: str = "") -> Mapping[str, str]:
        spec, who = self.spec, identity_of(self.spec.identity)
        cwd = os.path.realpath(spec.working_dir)
        given = replace(self._given(run_id, cwd, who), port=port)
        return compose(spec, self.inherited, self._files(), given)

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
