"""Which address a command of a known server listens on, and how it takes a held socket over.

It never guesses: what it cannot read for sure is left alone, with the reason and with what to
write instead. The facts were tried with uvicorn 0.54, gunicorn 27.0, hypercorn 0.18, granian 2.8;
tests/e2e/test_known_servers.py tries them again with what is installed.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from oxtrio.policy.advice import held_by_hand, server_alone
from oxtrio.policy.binds import Bound, at_bind, at_host, at_path
from oxtrio.policy.launchers import InFront, Launch, Line, find_launch, read_line
from oxtrio.policy.mentions import Command, mentioned
from oxtrio.policy.options import Option, Options, read_options
from oxtrio.policy.server_options import GUNICORN, HYPERCORN, UVICORN
from oxtrio.policy.shell_values import Shell, Unread
from oxtrio.policy.takeover import Call, LeftAlone, Takes, placeholder, select

__all__ = ["Bound", "LeftAlone", "Takes", "server_of"]


def _uvicorn(call: Call) -> Takes | None:
    """uvicorn uses `UVICORN_FD` and ignores host and port then, with `--workers` and `--reload`.

    Since 0.16, where it began to read its options from the environment.
    """
    if call.has("--help", "--version"):
        return None
    if call.has("--uds") or call.variable("UVICORN_UDS"):
        raise Unread("uvicorn removes the Unix socket of --uds when it stops")
    if call.has("--fd") or "UVICORN_FD" in call.env:
        raise Unread("uvicorn is told already which descriptor it is to use")
    host, port = _told(call, "host", "127.0.0.1"), _told(call, "port", "8000")
    if host == "localhost":
        raise Unread(
            "uvicorn listens on every address of localhost, each with a socket of its own",
            "--host 127.0.0.1 in place of --host localhost",
        )
    address = at_host(host, port, dual_stack=host == "::" and _is_shared(call))
    return Takes(
        server="uvicorn",
        addresses=(address,),
        env=(("UVICORN_FD", placeholder(0)),),
        command=call.line.command,
    )


def _told(call: Call, name: str, default: str) -> str:
    """By option or by variable, of which an empty one counts for nothing."""
    value = call.last(f"--{name}")
    return call.variable(f"UVICORN_{name.upper()}") or default if value is None else value


def _is_shared(call: Call) -> bool:
    """Whether uvicorn makes the socket for its children.

    Then `::` is for IPv4 too, the default of the kernel; else asyncio makes it for IPv6 alone.
    """
    if call.has("--env-file") or call.variable("UVICORN_RELOAD"):
        raise Unread("oxtrio is not sure whether uvicorn serves IPv4 on :: too")
    workers = _told(call, "workers", call.variable("WEB_CONCURRENCY") or "1")
    return call.has("--reload") or workers != "1"


def _gunicorn(call: Call) -> Takes | None:
    """gunicorn prefers `LISTEN_FDS` to `--bind`, if `LISTEN_PID` is its own pid.

    Where it is not the leader, or where a config file may make its workers bind the address by
    themselves (`reuse_port`), `--bind fd://3` says the same. Its master gives the sockets to
    workers of any class.
    """
    if call.has("-h", "--help", "-v", "--version", "--check-config", "--print-config"):
        return None
    told = _gunicorn_env(call)
    every = (*told, *call.options)
    _refuse_gunicorn(call, every)
    own = select(call.options, "-b", "--bind")
    binds = own or select(told, "-b", "--bind")
    has_config = bool(select(every, "-c", "--config")) or call.has_file("gunicorn.conf.py")
    if has_config and not binds:
        raise Unread(
            "the address may be in gunicorn's config file",
            "--bind with the address behind gunicorn",
        )
    addresses = _gunicorn_addresses(call, binds, every)
    by_option = has_config or not call.leads
    if by_option and any(address.path for address in addresses):
        raise Unread("gunicorn removes its Unix socket when it stops")
    changed = call.with_descriptors(own, len(addresses)) if by_option else call.line.command
    return Takes(
        server="gunicorn",
        addresses=addresses,
        listen_fds=not by_option,
        command=changed,
        alone=_why_one_gunicorn(every, has_config=has_config),
    )


def _gunicorn_env(call: Call) -> tuple[Option, ...]:
    """The options in `GUNICORN_CMD_ARGS`, which those of the command line beat."""
    try:
        words = shlex.split(call.variable("GUNICORN_CMD_ARGS"))
    except ValueError:
        raise Unread("GUNICORN_CMD_ARGS has an open quote") from None
    return read_options(words, GUNICORN)


def _refuse_gunicorn(call: Call, every: tuple[Option, ...]) -> None:
    """Raise `Unread` for what keeps gunicorn from the sockets that it is handed."""
    if any(name in call.env for name in ("GUNICORN_FD", "GUNICORN_PID")):
        raise Unread("the environment says that gunicorn replaces another one")
    if select(every, "-D", "--daemon"):
        raise Unread("--daemon takes gunicorn out of sight", "the command without --daemon")
    if select(every, "--reuse-port"):
        raise Unread(
            "with --reuse-port each worker binds the address itself",
            "the command without --reuse-port",
        )
    if select(every, "--paste", "--paster"):
        raise Unread("the address may be in the file of --paste")
    if any(option.value.startswith("LISTEN_") for option in select(every, "-e", "--env")):
        raise Unread("--env changes what gunicorn is told about its sockets")


def _gunicorn_addresses(
    call: Call, binds: tuple[Option, ...], every: tuple[Option, ...]
) -> tuple[Bound, ...]:
    values = [bind.value for bind in binds]
    if not values:
        port = call.variable("PORT")
        values = [f"0.0.0.0:{port}" if "PORT" in call.env else "127.0.0.1:8000"]
    masks = select(every, "-m", "--umask")
    mask = masks[-1].value if masks else "0"
    if any(value.startswith("unix:") for value in values) and select(
        every, "-u", "--user", "-g", "--group"
    ):
        raise Unread("gunicorn gives its Unix socket to another user")
    return tuple(
        at_path(value, mask) if value.startswith("unix:") else at_bind(value.removeprefix("tcp://"))
        for value in values
    )


def _why_one_gunicorn(every: tuple[Option, ...], *, has_config: bool) -> str:
    if select(every, "-p", "--pid"):
        return "a second gunicorn refuses to start while the file of --pid names the first"
    if select(every, "--dirty-app"):
        return "a second gunicorn ends the dirty workers of the first"
    if has_config:
        return "gunicorn's config file may name a pid file, which lets only one run"
    return ""


def _hypercorn(call: Call) -> Takes | None:
    """hypercorn takes a socket by `--bind fd://3` alone: it reads no variable."""
    if call.has("-h", "--help"):
        return None
    binds = select(call.options, "-b", "--bind")
    has_config = call.has("-c", "--config")
    if has_config and not binds:
        raise Unread(
            "the address may be in hypercorn's config file",
            "--bind with the address behind hypercorn",
        )
    if call.has("--insecure-bind", "--quic-bind"):
        raise Unread("hypercorn listens on further addresses, which it cannot share")
    if any(bind.value.startswith("unix:") for bind in binds):
        raise Unread("oxtrio does not hold the Unix socket of hypercorn")
    addresses = tuple(at_bind(bind.value) for bind in binds) or (at_bind("127.0.0.1"),)
    return Takes(
        server="hypercorn",
        addresses=addresses,
        command=call.with_descriptors(binds, len(addresses)),
        alone="hypercorn's config file may name further addresses" if has_config else "",
    )


def _granian(_: Call) -> Takes | None:
    """granian binds its address in its own binary: no option and no variable names a socket."""
    raise Unread("granian has no way to take a socket over")


@dataclass(frozen=True, slots=True)
class Server:
    """A row of the table."""

    options: Options | None
    """None: it makes no difference which it is given."""
    take: Callable[[Call], Takes | None]
    """None where it is asked for something else than to serve. Raises `Unread`."""


SERVERS: Final = {
    "uvicorn": Server(UVICORN, _uvicorn),
    "gunicorn": Server(GUNICORN, _gunicorn),
    "hypercorn": Server(HYPERCORN, _hypercorn),
    "granian": Server(None, _granian),
}


def server_of(
    command: Command, env: Mapping[str, str], has_file: Callable[[str], bool]
) -> Takes | LeftAlone | None:
    """What can be held for *command*, in which only `${fd}` is still to be replaced.

    *env* is the complete environment of the run, *has_file* says whether the working folder has
    a file of a name. None: the command runs no known server, as far as one can see.
    """
    mention = mentioned(command)
    server = mention[0] if mention else ""
    try:
        line = read_line(command, Shell(env, has_file))
        launch = find_launch(line, env)
        server = launch.server
        return SERVERS[server].take(_call(line, launch, env, has_file))
    except Unread as unread:
        if not server:
            return None
        advise = server_alone if isinstance(unread, InFront) else held_by_hand
        instead = unread.instead or advise(server, command)
        return LeftAlone(server=server, why=unread.why, instead=instead)


def _call(
    line: Line, launch: Launch, env: Mapping[str, str], has_file: Callable[[str], bool]
) -> Call:
    if any(name.startswith("LISTEN_") for name in launch.assigned):
        raise Unread("the command itself says which descriptors it is given")
    words, known = line.words[launch.at + 1 :], SERVERS[launch.server].options
    return Call(
        line=line,
        at=launch.at,
        leads=launch.leads,
        env={**env, **launch.assigned},
        options=read_options(words, known) if known else (),
        has_file=has_file,
    )
