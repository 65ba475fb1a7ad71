"""An address that is to be held, as an oxfile writes it."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from oxtrio.config.endpoint import LONGEST_SOCKET_PATH
from oxtrio.config.expand import INSTANCE
from oxtrio.config.kinds import Unfit, shown
from oxtrio.model.spec import ListenSpec

UNIX: Final = "unix:"
ANY: Final = "0.0.0.0"
ANY_SIX: Final = "::"
LOOPBACK: Final = "127.0.0.1"
MOST_PORT: Final = 65535

WHICH: Final = '"127.0.0.1:{0}" is this machine only, "0.0.0.0:{0}" every one that reaches it'

_TCP: Final = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,9})")


def parse_address(text: str) -> ListenSpec:
    """What *text*, already expanded, says: an IP address with its port, or a socket file.

    A socket file is still as it was written: relative, or in `~`. Raises `Unfit`.
    """
    if text.startswith(UNIX):
        return ListenSpec(path=_path(text))
    if INSTANCE in text:
        raise Unfit("", f"cannot contain {INSTANCE}: all instances share one TCP address")
    found = _TCP.fullmatch(text)
    if found is None:
        raise _unfit(text)
    port = int(found["port"])
    if not 0 < port <= MOST_PORT:
        raise Unfit("", f"must have a port from 1 to {MOST_PORT}, is {shown(text)}")
    if found["six"] is not None:
        return ListenSpec(host=_six(found["six"], text), port=port)
    return ListenSpec(host=_four(found["host"], text, port), port=port)


def path_problem(path: str) -> str:
    """Why no socket can be at the absolute *path*, completing "must …", or nothing."""
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        return f"name a socket file of at most {LONGEST_SOCKET_PATH} bytes"
    return ""


def _path(text: str) -> str:
    path = text.removeprefix(UNIX)
    if path.startswith("//"):
        # As in a URL: unix:///run/api.sock.
        if not path.startswith("///"):
            raise Unfit(
                f'such as "unix:/{path[2:]}"', f"must not begin with unix://, is {shown(text)}"
            )
        path = path[2:]
    if path.startswith("@"):
        raise Unfit(
            "", f"must be a socket file: an abstract socket cannot be held, is {shown(text)}"
        )
    if not path or path.endswith(("/", "/.", "/..")):
        raise Unfit('such as "unix:/run/api.sock"', f"must name a socket file, is {shown(text)}")
    return path


def _six(host: str, text: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:
        what = f"must have an IPv6 address between its brackets, is {shown(text)}"
        raise Unfit("", what) from None
    if address.scope_id or address.ipv4_mapped:
        raise Unfit("", f"must have a plain IPv6 address, is {shown(text)}")
    return str(address)


def _four(host: str, text: str, port: int) -> str:
    if not host:
        return ANY
    if host.lower() == "localhost":
        return LOOPBACK
    try:
        return str(ip_address(host))
    except ValueError:
        what = f"must have an IP address in front of the port, is {shown(text)}"
        raise Unfit(WHICH.format(port), what) from None


def _unfit(text: str) -> Unfit:
    """What is wrong with *text*, which is no address at all, and what was probably meant."""
    if text.isascii() and text.isdigit():
        return Unfit(WHICH.format(text), f"must have a host in front of the port, is {text}")
    if "://" in text:
        rest = text.partition("://")[2].rstrip("/")
        return Unfit(f'such as "{rest}"', f"must be an address without a scheme, is {shown(text)}")
    if "/" in text:
        return Unfit(f'such as "unix:{text}"', f"must begin with unix:, is {shown(text)}")
    if text.count(":") > 1:
        host, _, port = text.strip("[]").rpartition(":")
        hint = f'such as "[{host.strip("[]")}]:{port}"'
        return Unfit(hint, f"must have an IPv6 address in brackets and a port, is {shown(text)}")
    return Unfit(f'such as "{text.rstrip(":")}:8000"', f"must end with a port, is {shown(text)}")
