"""What is held for an app: `listen`, `hold_port`, `port` and `reload`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from signal import Signals
from typing import Final

from oxtrio.config.address import ANY_SIX, MOST_PORT, parse_address, path_problem
from oxtrio.config.expand import INSTANCE, NO_PORT, PORT
from oxtrio.config.fields import Fields
from oxtrio.config.identity import ONLY_ROOT
from oxtrio.config.keys import Key
from oxtrio.config.kinds import Unfit
from oxtrio.config.tables import sockets as keys
from oxtrio.config.tables.app import INSTANCES_KEY
from oxtrio.model.spec import ListenSpec, ReloadManner, ReloadSpec

WORKERS: Final = f"put {INSTANCE} into its path, or let one instance of the server have workers"


def read_listen(app: Fields) -> tuple[ListenSpec, ...]:
    """The addresses of *app* in order, the first being descriptor 3."""
    found = [_read_member(app, member) for member in app.members(keys.LISTEN)]
    if len(found) > keys.MOST_ADDRESSES:
        app.note(keys.LISTEN, f"has {len(found)} addresses, more than {keys.MOST_ADDRESSES}")
    names = [spec.name for spec in found if spec.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        app.note(keys.LISTEN, f'has two addresses with the name "{name}"')
    if found and app.has(keys.HOLD_PORT) and not app.take(keys.HOLD_PORT):
        app.note(keys.HOLD_PORT, "= false stands beside listen, which is held: keep one of them")
    return tuple(_with_dual_stack(spec, found) for spec in found)


def read_port(app: Fields) -> int | None:
    """The port of *app*; those of all its instances exist."""
    port = app.take(keys.PORT)
    instances = app.take(INSTANCES_KEY) or max(1, app.oxfile.facts.cpus)
    if port is not None and not app.has(keys.LISTEN) and port + instances - 1 > MOST_PORT:
        last = f"that of the last of {instances} instances would be {port + instances - 1}"
        app.note(keys.PORT, f"is too high: {last}, and the highest is {MOST_PORT}")
    return port


def read_reload(app: Fields) -> ReloadSpec:
    """How *app* is reloaded."""
    written, parallel = app.take(keys.RELOAD), app.take(keys.RELOAD_PARALLEL)
    if isinstance(written, Signals):
        return ReloadSpec(manner=ReloadManner.SIGNAL, signal=written, parallel=parallel)
    return ReloadSpec(manner=written, parallel=parallel)


def _read_member(app: Fields, member: Fields | str) -> ListenSpec:
    if isinstance(member, str):
        return _read_address(app, app, keys.LISTEN, member)
    spec = _read_address(app, member, keys.ADDRESS, member.take(keys.ADDRESS))
    if spec.path is None and spec.port:
        for key in (keys.MODE, keys.OWNER, keys.SOCKET_GROUP):
            if member.has(key):
                member.note(key, "has a meaning only for a Unix socket")
    if member.has(keys.OWNER) and not member.oxfile.facts.root:
        member.note(keys.OWNER, "can only be set by root", ONLY_ROOT)
    return replace(
        spec,
        name=member.take(keys.ADDRESS_NAME),
        backlog=member.take(keys.BACKLOG),
        mode=_read_mode(member),
        owner=member.take(keys.OWNER),
        group=member.take(keys.SOCKET_GROUP),
    )


def _read_address(app: Fields, fields: Fields, key: Key[object], text: str) -> ListenSpec:
    """The address *text*, which is the value of *key* in *fields*; without any where it is none."""
    port = app.take(keys.PORT)
    served = {INSTANCE: "", PORT: "" if app.has(keys.PORT) else NO_PORT}
    before = len(fields.oxfile.problems)
    expanded = fields.expanded(key, text, served).replace(PORT, str(port))
    if not text or len(fields.oxfile.problems) > before:
        return ListenSpec()
    try:
        spec = parse_address(expanded)
        return spec if spec.path is None else replace(spec, path=_read_path(app, spec.path))
    except Unfit as unfit:
        # A missing `port` that stands in it has been told already.
        if PORT not in text or port is not None:
            fields.note(key, unfit.what, unfit.hint)
        return ListenSpec()


def _read_path(app: Fields, written: str) -> str:
    """*written* as an absolute path, one for each instance. Raises `Unfit`."""
    oxfile = app.oxfile
    if written.startswith("~/"):
        written = f"{oxfile.facts.home}{written[1:]}"
    path = str(PurePosixPath(oxfile.folder) / written)
    instances = app.take(INSTANCES_KEY) or max(2, oxfile.facts.cpus)
    if instances > 1 and INSTANCE not in path:
        raise Unfit(WORKERS, f"has one Unix socket for several instances: unix:{path}")
    if problem := path_problem(path.replace(INSTANCE, str(instances - 1))):
        raise Unfit("", f"must {problem}, is unix:{path}")
    return path


def _read_mode(member: Fields) -> int:
    mode = member.take(keys.MODE)
    if mode is None:
        return ListenSpec().mode
    # `mode = 440` would be 0o670, which nobody means.
    if re.search(r"\bmode[\"']?\s*=\s*[+1-9]", member.written(keys.MODE)):
        member.note(keys.MODE, "must be octal", 'as "0660" or 0o660')
    return mode


def _with_dual_stack(spec: ListenSpec, beside: Sequence[ListenSpec]) -> ListenSpec:
    """*spec*, which serves IPv4 too where it is `::` and nothing *beside* it does that."""
    alone = not any(each.port == spec.port and "." in each.host for each in beside)
    return replace(spec, dual_stack=spec.host == ANY_SIX and alone)
