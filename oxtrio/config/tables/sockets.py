"""The keys that say what is held for an app, and how one run is replaced by the next."""

import re
from signal import Signals
from typing import Final

from oxtrio.config.address import MOST_PORT, WHICH
from oxtrio.config.keys import Key, Table
from oxtrio.config.kinds import BOOL, FILLED, Kind, Unfit, choice, integer, read_filled, shown
from oxtrio.config.tables.units import MILLION
from oxtrio.config.values import MOST_INSTANCES, SIGNAL
from oxtrio.model.spec import ReloadManner

MOST_ADDRESSES: Final = 6
"""Descriptors 3 to 8: a shell redirects only those of one digit, and 9 is oxtrio's own."""

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")

Member = str | dict[str, object]


def _members(value: object) -> tuple[Member, ...]:
    if value == []:
        raise Unfit("it is empty")
    return tuple(map(_member, value if isinstance(value, list) else [value]))


def _member(value: object) -> Member:
    if isinstance(value, dict):
        return value
    if type(value) is int and 0 < value <= MOST_PORT:
        raise Unfit(WHICH.format(value), f"must have a host in front of the port, is {value}")
    return read_filled(value)


def _name(value: object) -> str:
    text = read_filled(value)
    if not NAME.fullmatch(text):
        raise Unfit
    return text


def _mode(value: object) -> int:
    if type(value) is str and re.fullmatch(r"(0o)?[0-7]{1,4}", value):
        value = int(value.removeprefix("0o"), 8)
    if type(value) is not int or not 0 <= value <= 0o777:
        raise Unfit
    return value


def _reload(value: object) -> ReloadManner | Signals:
    if isinstance(value, dict):
        if set(value) != {"signal"}:
            raise Unfit
        try:
            return SIGNAL.read(value["signal"])
        except Unfit as unfit:
            what = f"must have {SIGNAL.text}, is {shown(value['signal'])}"
            raise Unfit(unfit.hint, what) from None
    return ReloadManner(_MANNERS.read(value))


_MANNERS = choice(ReloadManner.OVERLAP, ReloadManner.RESTART)

ADDRESS = Key(
    name="address",
    kind=FILLED,
    default="",
    required=True,
    meaning="An IP address with a port, or `unix:` and a path, as above.",
    example='address = "unix:run/api.sock"',
)
ADDRESS_NAME = Key(
    name="name",
    kind=Kind(
        "a name: letters, digits and _ . -",
        {"type": "string", "pattern": f"^{NAME.pattern}$"},
        _name,
    ),
    default="",
    unset="none",
    meaning="For `${fd:NAME}` and `LISTEN_FDNAMES`.",
    example='address = "127.0.0.1:9000"\nname = "admin"',
)
MODE = Key(
    name="mode",
    kind=Kind(
        'octal, as "0660" or 0o660',
        {
            "anyOf": [
                {"type": "string", "pattern": "^(0o)?[0-7]{1,4}$"},
                {"type": "integer", "minimum": 0, "maximum": 0o777},
            ]
        },
        _mode,
    ),
    default=None,
    unset='"0660"',
    meaning="Who may connect to a Unix socket, in octal.",
    example='address = "unix:run/api.sock"\nmode = "0600"',
)
OWNER = Key(
    name="owner",
    kind=FILLED,
    default=None,
    unset="oxtrio's own",
    meaning="Whom a Unix socket belongs to. Only root may set it.",
    example='address = "unix:run/api.sock"\nowner = "www-data"',
)
SOCKET_GROUP = Key(
    name="group",
    kind=FILLED,
    default=None,
    unset="oxtrio's own",
    meaning="The group of a Unix socket.",
    example='address = "unix:run/api.sock"\ngroup = "www-data"',
)
BACKLOG = Key(
    name="backlog",
    kind=integer(1, MILLION),
    default=2048,
    meaning="Connections that may wait to be accepted; the system's own limit (`somaxconn`) bounds "
    "it.",
    example='address = "0.0.0.0:8000"\nbacklog = 512',
)
LISTEN_TABLE = Table(
    "[[processes.<name>.listen]]", (ADDRESS, ADDRESS_NAME, MODE, OWNER, SOCKET_GROUP, BACKLOG)
)

LISTEN = Key(
    name="listen",
    kind=Kind(
        'an address such as "0.0.0.0:8000" or "unix:run/api.sock", a table, or an array of them',
        {},
        _members,
    ),
    default=(),
    unset="the address of a server that oxtrio knows",
    table=LISTEN_TABLE,
    meaning="Addresses that oxtrio holds for it and hands over as descriptors 3, 4, …: while the "
    "app is wanted clients wait, and are not refused, also when it restarts.",
    example='listen = "0.0.0.0:8000"',
)
HOLD_PORT = Key(
    name="hold_port",
    kind=BOOL,
    default=True,
    meaning="`false`: without `listen`, the address of a server that oxtrio knows is not held.",
    example="hold_port = false",
)
PORT = Key(
    name="port",
    kind=integer(1, MOST_PORT),
    default=None,
    meaning="What `${port}` and `$PORT` are: the same for all instances where the address is held, "
    "else this plus the number of the instance.",
    example="port = 8000",
)
RELOAD = Key(
    name="reload",
    kind=Kind(
        f'{_MANNERS.text}, or a table {{ signal = "SIGHUP" }}',
        {
            "anyOf": [
                dict(_MANNERS.schema),
                {
                    "type": "object",
                    "properties": {"signal": {"description": "What it gets.", **SIGNAL.schema}},
                    "required": ["signal"],
                    "additionalProperties": False,
                },
            ]
        },
        _reload,
    ),
    default=None,
    unset="`overlap` where nothing can go wrong with it, else `restart`",
    meaning="How a reload replaces a run: `overlap` starts the next one beside it and switches "
    "when that is ready; `restart` stops it first, so that there are never two; a signal is for "
    "what reloads itself.",
    example='reload = "restart"',
)
RELOAD_PARALLEL = Key(
    name="reload_parallel",
    kind=integer(1, MOST_INSTANCES),
    default=1,
    meaning="How many instances a reload replaces at the same time.",
    example="reload_parallel = 2",
)

SOCKET_KEYS = (LISTEN, HOLD_PORT, PORT, RELOAD, RELOAD_PARALLEL)
