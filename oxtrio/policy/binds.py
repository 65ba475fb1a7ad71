"""Addresses as the options of servers write them; what is not certain raises `Unread`."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from oxtrio.policy.shell_values import Unread

BIND: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]:(?P<port6>[0-9]+)|(?P<host>[^:\[\]/]*):(?P<port>[0-9]+)"
    r"|(?P<alone>[^:\[\]/]+))"
)
"""Of all forms those that gunicorn and hypercorn read alike."""

PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """An address that a server listens on, as it would bind it by itself."""

    host: str = ""
    """A literal IP address."""
    port: int = 0
    path: str | None = None
    """Of a Unix socket, absolute."""
    dual_stack: bool = False
    """`::` that serves IPv4 clients too."""
    mode: int = 0o777
    """Of a Unix socket."""

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def at_host(host: str, port: str, *, dual_stack: bool) -> Bound:
    """The address of a server that is told *host* and *port*."""
    try:
        ip = ip_address(host)
    except ValueError:
        what = f"only the server knows which address {host} is" if host else "the host is empty"
        raise Unread(what) from None
    if isinstance(ip, IPv6Address) and (ip.scope_id or ip.ipv4_mapped):
        raise Unread(f"oxtrio cannot hold the address {host}")
    both = dual_stack and ip == IPv6Address("::")
    return Bound(host=str(ip), port=_port(port), dual_stack=both)


def _port(text: str) -> int:
    if not text:
        raise Unread("the port is empty")
    if not PORT.fullmatch(text):
        raise Unread(f"{text} is no port")
    port = int(text)
    if port == 0:
        raise Unread("port 0 is another one at each start")
    if port > 65535:
        raise Unread(f"{port} is no port")
    return port


def at_bind(text: str) -> Bound:
    """The address of `--bind` *text*; a port that is not said is 8000.

    gunicorn and hypercorn bind names and empty hosts on IPv4 alone, and `::` for both.
    """
    if text.startswith("fd://"):
        raise Unread(f"the command itself says {text}")
    if not text or text.endswith(":"):
        raise Unread(f"the port of {text} is empty" if text else "an address is empty")
    found = BIND.fullmatch(text)
    if found is None:
        raise Unread(f"oxtrio does not know the address {text}")
    if found["six"]:
        return at_host(found["six"], found["port6"], dual_stack=True)
    host = found["alone"] or found["host"]
    host = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host.lower(), host)
    return at_host(host, found["port"] or "8000", dual_stack=False)


UNIX: Final = re.compile(r"unix:(?://)?")


def at_path(text: str, umask: str) -> Bound:
    """The Unix socket of gunicorn's `--bind unix:PATH`, which its `--umask` applies to."""
    path = UNIX.split(text)[-1]
    if not path.startswith("/"):
        raise Unread(f"{text} is no absolute path")
    if not re.fullmatch(r"0|0?[0-7]{3}", umask):
        raise Unread(f"oxtrio does not know the umask {umask}")
    # Without a leading 0 it is a decimal number for gunicorn.
    mask = int(umask, 8 if umask.startswith("0") else 10)
    return Bound(path=path, mode=0o777 & ~mask)
