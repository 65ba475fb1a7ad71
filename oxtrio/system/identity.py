"""Whom a run acts as: names of users and groups become numbers."""

import grp
import os
import pwd
from dataclasses import dataclass

from oxtrio.errors import SpawnFailed
from oxtrio.model.spec import IdentitySpec


@dataclass(frozen=True, slots=True)
class Identity:
    """Numbers for the kernel, and the names that go into the environment."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str
    shell: str


def is_root() -> bool:
    """Whether this process may act as anybody."""
    return os.geteuid() == 0


def identity_of(spec: IdentitySpec) -> Identity | None:
    """Who *spec* names, looked up now; None where it names nobody.

    Raises `SpawnFailed` for a user or group that does not exist. Group and extra groups are
    always set together with the user: `setuid` alone would keep all groups of root.
    """
    if spec.user is None and spec.group is None and spec.groups is None:
        return None
    entry = _user(spec.user) if spec.user is not None else pwd.getpwuid(os.geteuid())
    gid = _group(spec.group) if spec.group is not None else entry.pw_gid
    if spec.groups is not None:
        groups = tuple(_group(name) for name in spec.groups)
    elif spec.user is not None:
        groups = tuple(os.getgrouplist(entry.pw_name, gid))
    else:
        groups = tuple(os.getgroups())
    return Identity(entry.pw_uid, gid, groups, entry.pw_name, entry.pw_dir, entry.pw_shell)


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise SpawnFailed(f"user '{name}' does not exist") from None


def _group(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SpawnFailed(f"group '{name}' does not exist") from None
