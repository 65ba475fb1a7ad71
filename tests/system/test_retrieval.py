"""Sockets that only runs have any more are had again, all of an address or none."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oxtrio.model.spec import ListenSpec
from oxtrio.system import retrieval, socket_files
from oxtrio.system.handover import Carrier
from oxtrio.system.proc import children_of
from oxtrio.system.retrieval import Holder, retrieve
from oxtrio.system.slot import kept_name
from oxtrio.system.tcp_sockets import open_listener
from tests.e2e.processes import eventually
from tests.system.clients import at_path, sockets_stay_as_they_are, tcp

__all__ = ["sockets_stay_as_they_are"]
pytestmark = pytest.mark.slow

IDLE = ["sh", "-c", "sleep 3600 & wait"]
"""The socket is open in its child, too."""

Serve = Callable[[socket.socket], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A run that has the socket, of which we keep nothing; its pid."""
    runs: list[subprocess.Popen[bytes]] = []

    def begin(ours: socket.socket, *, keeps: bool = False) -> int:
        run = subprocess.Popen(IDLE, pass_fds=[ours.fileno()], start_new_session=True)
        runs.append(run)
        if not keeps:
            ours.close()
        return run.pid

    yield begin
    for run in runs:
        os.killpg(run.pid, 9)
        run.wait()


def holder(pid: int, listen: ListenSpec, place: int) -> Holder:
    return Holder(roots=[pid], listens=[listen], held={str(listen): place})


def sockets_of(keepsakes: Carrier, stack: ExitStack) -> dict[str, socket.socket]:
    """What has been found, closed with *stack*."""
    found = {}
    for name in keepsakes.left():
        descriptor = keepsakes.take(name)
        assert descriptor is not None
        assert not os.get_inheritable(descriptor)
        found[name] = stack.enter_context(socket.socket(fileno=descriptor))
    return found


def test_every_run_gets_the_place_of_its_own_socket(serve: Serve):
    listen, keepsakes = tcp(), Carrier()
    ours = [open_listener(listen, grouped=True) for _ in range(6)]
    inodes = [os.fstat(each.fileno()).st_ino for each in ours]
    runs = {place: serve(ours[place]) for place in (1, 3, 5)}
    for spare in (0, 2, 4):
        ours[spare].close()
    holders = [holder(pid, listen, place) for place, pid in runs.items()]

    assert retrieve(holders, keepsakes, steered=True) == {str(listen)}

    with ExitStack() as stack:
        found = sockets_of(keepsakes, stack)
        assert set(found) == {kept_name(listen, place) for place in range(3)}
        for place, each in zip(runs, holders, strict=True):
            inode = os.fstat(found[kept_name(listen, each.given[str(listen)])].fileno()).st_ino
            assert inode == inodes[place]


def test_what_a_child_of_the_leader_has_counts(serve: Serve):
    listen, keepsakes = tcp(), Carrier()
    ours = open_listener(listen, grouped=True)
    pid = serve(ours)
    [child] = eventually(lambda: children_of(pid), "its child")

    retrieve([holder(child, listen, 4)], keepsakes, steered=True)

    with ExitStack() as stack:
        assert set(sockets_of(keepsakes, stack)) == {kept_name(listen, 0)}


def test_an_address_of_which_a_part_is_somebody_elses_is_left_alone(serve: Serve):
    listen, keepsakes = tcp(), Carrier()
    ours = [open_listener(listen, grouped=True) for _ in range(2)]
    mine = holder(serve(ours[0]), listen, 0)
    serve(ours[1])

    assert retrieve([mine], keepsakes, steered=True) == frozenset()

    assert keepsakes.left() == ()
    assert mine.given == {}


def test_one_that_has_closed_its_own_is_in_nobodys_way(serve: Serve):
    """As a server does that ends in peace."""
    listen, keepsakes = tcp(), Carrier()
    ours = [open_listener(listen, grouped=True) for _ in range(2)]
    other = tcp()
    gone = holder(serve(open_listener(other, grouped=True)), listen, 0)
    mine = holder(serve(ours[1]), listen, 1)
    ours[0].close()

    assert retrieve([gone, mine], keepsakes, steered=True) == {str(listen)}

    with ExitStack() as stack:
        assert set(sockets_of(keepsakes, stack)) == {kept_name(listen, 0)}
    assert (gone.given, mine.given) == ({}, {str(listen): 0})


def test_of_who_has_several_addresses_all_are_had_or_none(serve: Serve):
    """And so on, with those who share one of them."""
    first, second, third, keepsakes = tcp(), tcp(), tcp(), Carrier()
    whole = open_listener(first, grouped=True)
    shared = [open_listener(second, grouped=True) for _ in range(2)]
    not_ours = open_listener(third, grouped=False)
    lacks = Holder(
        roots=[serve(whole), serve(shared[0])],
        listens=[first, second],
        held={str(first): 0, str(second): 0},
    )
    spoilt = Holder(
        roots=[serve(shared[1]), serve(not_ours)],
        listens=[second, third],
        held={str(second): 1, str(third): 0},
    )
    flags = [flags_of(each) for each in (lacks, spoilt)]

    assert retrieve([lacks, spoilt], keepsakes, steered=True) == frozenset()

    assert keepsakes.left() == ()
    assert (lacks.given, spoilt.given) == ({}, {})
    assert [flags_of(each) for each in (lacks, spoilt)] == flags, "their sockets are as they were"


def flags_of(holder: Holder) -> list[str]:
    """How the sockets are open in its processes."""
    return [
        each.read_text().split()[3]
        for pid in holder.roots
        for each in sorted(Path(f"/proc/{pid}/fdinfo").iterdir())
    ]


def test_a_socket_that_the_server_has_bound_by_itself_is_its_own(serve: Serve):
    listen, keepsakes = tcp(), Carrier()
    mine = holder(serve(open_listener(listen, grouped=False)), listen, 0)

    retrieve([mine], keepsakes, steered=True)

    assert keepsakes.left() == ()


def test_one_that_all_share_is_had_once(serve: Serve):
    listen, keepsakes = tcp(), Carrier()
    ours = open_listener(listen, grouped=False)
    holders = [holder(serve(ours, keeps=True), listen, 0), holder(serve(ours), listen, 0)]

    retrieve(holders, keepsakes, steered=False)

    with ExitStack() as stack:
        assert set(sockets_of(keepsakes, stack)) == {kept_name(listen, 0)}
    assert [each.given for each in holders] == [{str(listen): 0}] * 2


def test_what_is_kept_already_is_not_looked_for(serve: Serve):
    listen = tcp()
    ours = open_listener(listen, grouped=True)
    kept = os.dup(ours.fileno())
    keepsakes = Carrier({kept_name(listen, 0): kept})

    retrieve([holder(serve(ours), listen, 0)], keepsakes, steered=True)

    assert keepsakes.left() == (kept_name(listen, 0),)
    assert keepsakes.take(kept_name(listen, 0)) == kept
    os.close(kept)


def test_unix_sockets_are_known_by_their_names(serve: Serve, tmp_path: Path):
    listen, keepsakes = at_path(tmp_path), Carrier()
    names, holders = [], []
    for _ in range(2):
        ours, name, _ = socket_files.open_beside(listen)
        names.append(name)
        holders.append(holder(serve(ours), listen, socket_files.number_of(name)))
    holders.append(holder(os.getpid(), listen, 1))

    retrieve(holders, keepsakes, steered=True)

    with ExitStack() as stack:
        found = sockets_of(keepsakes, stack)
        assert {each.getsockname() for each in found.values()} == set(names)
        for name, each in found.items():
            assert each.getsockname().endswith(name.rpartition("/")[2])


def test_where_we_may_not_look_into_a_process_nothing_is_had(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    """As under Yama, or for another user in a container."""
    listen, keepsakes = tcp(), Carrier()
    mine = holder(serve(open_listener(listen, grouped=True)), listen, 0)

    def refuse(pidfd: int, descriptor: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(retrieval, "copy_of", refuse)

    retrieve([mine], keepsakes, steered=True)

    assert keepsakes.left() == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_process_of_another_user_is_no_error():
    """A user without rights asks for what init has."""
    script = (
        "from oxtrio.system.pidfd import copy_of, opened\n"
        "with opened(1) as pidfd:\n"
        "    try:\n        copy_of(pidfd, 0)\n"
        "    except PermissionError as error:\n        print(error.errno)\n"
    )
    alone = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    alone += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    ended = subprocess.run(
        [*alone, sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("1\n", "")
