"""The addresses that a health check may ask."""

from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = ("http", "https", "tcp", "unix")
LONGEST_SOCKET_PATH: Final = 107


def endpoint_problem(endpoint: str) -> str:
    """What is wrong with *endpoint*, completing "must be …", or nothing."""
    scheme, separator, rest = endpoint.partition("://")
    if not separator or scheme not in SCHEMES:
        return "begin with http://, https://, tcp:// or unix://"
    if not endpoint.isprintable() or " " in endpoint:
        return "contain no spaces and no control characters"
    if scheme == "unix":
        return _unix_problem(rest)
    return _host_problem(endpoint, tcp=scheme == "tcp")


def _unix_problem(path: str) -> str:
    if not path.startswith("/"):
        return "be unix:// and an absolute path: unix:///path"
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        return f"name a socket path of at most {LONGEST_SOCKET_PATH} bytes"
    return ""


def _host_problem(endpoint: str, *, tcp: bool) -> str:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return "have a valid host, and a port from 1 to 65535"
    if not parts.hostname or port == 0:
        return "have a host, and a port from 1 to 65535"
    if tcp and (port is None or parts.path or parts.query or parts.fragment):
        return "be tcp://host:port"
    return ""
