"""How clients reach the runs of an instance: what is held for it, and how a run is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from oxtrio.model.spec import AppSpec, ListenSpec, ReloadManner
from oxtrio.policy.command import with_fds, with_instance, with_port
from oxtrio.policy.reload import Reached, Succession, succession_of
from oxtrio.policy.servers import Bound, LeftAlone, Takes, server_of

Command = str | tuple[str, ...]
Env = tuple[tuple[str, str], ...]
HasFile = Callable[[str], bool]
"""Whether a file of this name is in the working folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a run is launched with because of the addresses that it serves."""

    command: Command
    """All placeholders replaced."""
    succession: Succession
    listens: tuple[ListenSpec, ...] = ()
    """What is held for it, in the order of its descriptors from 3 on."""
    certain: bool = True
    """The oxfile asks for it; else its server is only known, and may be left alone."""
    port: int | None = None
    env: tuple[tuple[str, str], ...] = ()
    listen_fds: bool = False
    """Whether it is told by `LISTEN_FDS` and `LISTEN_PID`."""


def serving_of(
    spec: AppSpec, instance: int, environ: Callable[[int | None], Mapping[str, str]], has: HasFile
) -> Serving:
    """How instance number *instance* of *spec* is reached.

    *environ* is the environment of its run where it has a given `PORT`. The health check of
    *spec* has its placeholders replaced.
    """
    if spec.listen:
        return _held(spec, instance, environ, has)
    command = numbered(spec.command, instance, spec.port)
    server = server_of(command, environ(spec.port), has)
    if isinstance(server, Takes) and spec.hold_port and _can_be_held(spec, server):
        return _taking(spec, server)
    return _left_alone(spec, instance, server)


def _held(
    spec: AppSpec, instance: int, environ: Callable[[int | None], Mapping[str, str]], has: HasFile
) -> Serving:
    listens = tuple(_placed(listen, instance) for listen in spec.listen)
    command = numbered(spec.command, instance, spec.port)
    names = [listen.name for listen in listens]
    with_numbers = _each(command, lambda text: with_fds(text, names))
    env: Env = ()
    if with_numbers == command:
        # A known server that is not told by its command is told in its own way.
        with_numbers, env = _told(server_of(command, environ(spec.port), has), command, names)
    return Serving(
        command=with_numbers,
        succession=succession_of(spec, Reached(held=listens)),
        listens=listens,
        port=spec.port,
        env=env,
        listen_fds=not _counts_twice(with_numbers),
    )


def _told(
    server: Takes | LeftAlone | None, command: Command, names: Sequence[str]
) -> tuple[Command, Env]:
    """How *server* learns of the sockets: by its command, or by its environment."""
    if not isinstance(server, Takes):
        return command, ()
    told = server.command if len(server.addresses) == len(names) else command
    return _each(told, lambda text: with_fds(text, names)), _filled(server.env)


def _counts_twice(command: Command) -> bool:
    """Whether it is a gunicorn that is told by `fd://3`: it would take LISTEN_FDS as well.

    It then opens the descriptor twice, and dies of that (27.0).
    """
    text = command if isinstance(command, str) else " ".join(command)
    return "gunicorn" in text and "fd://" in text


def _taking(spec: AppSpec, server: Takes) -> Serving:
    listens = tuple(map(_listen, server.addresses))
    names = ["" for _ in listens]
    return Serving(
        command=_each(server.command, lambda text: with_fds(text, names)),
        succession=succession_of(spec, Reached(held=listens, alone=server.alone)),
        listens=listens,
        certain=False,
        port=spec.port,
        env=_filled(server.env),
        listen_fds=server.listen_fds,
    )


def _left_alone(spec: AppSpec, instance: int, server: Takes | LeftAlone | None) -> Serving:
    port = None if spec.port is None else spec.port + instance
    why = instead = ""
    if isinstance(server, LeftAlone):
        why, instead = server.why, server.instead
    elif isinstance(server, Takes) and not spec.hold_port:
        why, instead = "the oxfile says hold_port = false", "hold_port = true"
    elif isinstance(server, Takes):
        why = "several instances cannot share a Unix socket"
        instead = "the server's own workers instead of instances"
    return Serving(
        command=numbered(spec.command, instance, port),
        succession=succession_of(spec, Reached(left_alone=why, instead=instead)),
        port=port,
    )


def numbered(command: Command, instance: int, port: int | None) -> Command:
    """*command* with its placeholders for the number of the instance and its port replaced."""

    def fill(text: str) -> str:
        text = with_instance(text, instance)
        return text if port is None else with_port(text, port)

    return _each(command, fill)


def without_holding(serving: Serving, spec: AppSpec, instance: int, why: str) -> Serving:
    """The same where the addresses could not be held after all."""
    port = None if spec.port is None else spec.port + instance
    gap = Succession(manner=ReloadManner.RESTART, gap=f"its address cannot be held: {why}")
    if spec.reload.manner is not None:
        gap = replace(gap, manner=spec.reload.manner)
    return Serving(command=numbered(spec.command, instance, port), succession=gap, port=port)


def _can_be_held(spec: AppSpec, server: Takes) -> bool:
    shares = spec.instances > 1 and any(bound.path is not None for bound in server.addresses)
    return bool(server.addresses) and not shares


def _placed(listen: ListenSpec, instance: int) -> ListenSpec:
    if listen.path is None:
        return listen
    return replace(listen, path=with_instance(listen.path, instance))


def _listen(bound: Bound) -> ListenSpec:
    """As the server itself would bind it."""
    if bound.path is not None:
        return ListenSpec(path=bound.path, mode=bound.mode)
    return ListenSpec(host=bound.host, port=bound.port, dual_stack=bound.dual_stack)


def _each(command: Command, change: Callable[[str], str]) -> Command:
    return change(command) if isinstance(command, str) else tuple(map(change, command))


def _filled(env: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, with_fds(value, [""])) for name, value in env)
