"""Which socket of a SO_REUSEPORT group gets a new connection: a classic BPF program decides.

The kernel runs the program of a group once for each connection that begins (and for the last
packet of a handshake that it has kept no state of, a SYN cookie), and takes the result as the
place of a socket in the group. Sockets are counted in the order in which they began to listen. A
place that does not exist makes the kernel hash over *all* sockets. No privileges are needed.
"""

import ctypes
import ipaddress
import select
import socket
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

ATTACH_REUSEPORT_CBPF = 51
"""SO_ATTACH_REUSEPORT_CBPF, for TCP since Linux 4.6."""
DETACH_REUSEPORT_BPF = 68
"""SO_DETACH_REUSEPORT_BPF, since Linux 5.3; before that a program lives as long as its group."""

# linux/bpf_common.h, linux/filter.h
LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30
AND, MODULO = 0x54, 0x94
JUMP, JUMP_EQUAL = 0x05, 0x15
RETURN = 0x06

RANDOM = -0x1000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: not in the packet, but a random word; since Linux 3.16."""
PACKET = -0x100000
"""SKF_NET_OFF: the first byte of the IP header. Offset 0 would be behind the TCP header."""
VERSION_MASK = 0xF0

PATIENCE = 0.25
"""Seconds for a connection to ourselves, which takes some 100 µs."""


class Instruction(NamedTuple):
    """`struct sock_filter`. A jump counts the instructions that it skips."""

    code: int
    if_true: int
    if_false: int
    operand: int


class Header(NamedTuple):
    """Where the headers of one IP version have what a client is known by."""

    version: int
    """The upper half of the first byte."""
    source: int
    port: int
    """Behind a header without options: ours has none, and others are not aimed at."""


HEADERS = {4: Header(version=0x40, source=12, port=20), 6: Header(version=0x60, source=8, port=40)}

Source = tuple[str, int]
"""Address and port that a client is bound to; ports of one machine come again on another."""
Program = list[Instruction]


def program(serving: Sequence[int], aims: Mapping[Source, int]) -> Program:
    """New connections go round the places *serving*, but those of *aims* to their own place."""
    found: Program = []
    for address in dict.fromkeys(address for address, _ in aims):
        places = {port: place for (host, port), place in aims.items() if host == address}
        found += _aimed(address, places)
    return found + _round(serving)


def _aimed(address: str, places: Mapping[int, int]) -> Program:
    """Return the place of a client at *address* by its port; go on behind for all others.

    The version is tested first: on a dual-stack group the packets of IPv4 clients have an IPv4
    header.
    """
    number = ipaddress.ip_address(address)
    header = HEADERS[number.version]
    found = [_load(LOAD_HALF, PACKET + header.port)]
    for port, place in places.items():
        found += _return_if_equal(port, place)
    for at in reversed(range(0, len(number.packed), 4)):
        word = int.from_bytes(number.packed[at : at + 4], "big")
        found = _only_if_equal([_load(LOAD_WORD, PACKET + header.source + at)], word, found)
    version = [_load(LOAD_BYTE, PACKET), Instruction(AND, 0, 0, VERSION_MASK)]
    return _only_if_equal(version, header.version, found)


def _round(serving: Sequence[int]) -> Program:
    """One of the places *serving*, by chance: counting up would need a state."""
    *others, last = serving
    if not others:
        return [Instruction(RETURN, 0, 0, last)]
    found = [_load(LOAD_WORD, RANDOM), Instruction(MODULO, 0, 0, len(serving))]
    for drawn, place in enumerate(others):
        found += _return_if_equal(drawn, place)
    return [*found, Instruction(RETURN, 0, 0, last)]


def _load(code: int, offset: int) -> Instruction:
    return Instruction(code, 0, 0, offset & 0xFFFFFFFF)


def _return_if_equal(value: int, place: int) -> Program:
    return [Instruction(JUMP_EQUAL, 0, 1, value), Instruction(RETURN, 0, 0, place)]


def _only_if_equal(loading: Program, value: int, then: Program) -> Program:
    # A conditional jump skips at most 255 instructions, an unconditional one any number.
    return [
        *loading,
        Instruction(JUMP_EQUAL, 1, 0, value),
        Instruction(JUMP, 0, 0, len(then)),
        *then,
    ]


def attach(member: socket.socket, instructions: Program) -> None:
    """Steer the whole group of *member*, from this instant on, in one step.

    Raises `OSError`, and leaves the program before in force, where the kernel takes none, or
    none this long: 4096 instructions, and what `net.core.optmem_max` allows.
    """
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count and, aligned, a pointer, which is followed within the call.
    pointing = struct.pack("HP", len(instructions), ctypes.addressof(buffer))
    member.setsockopt(socket.SOL_SOCKET, ATTACH_REUSEPORT_CBPF, pointing)


def detach(member: socket.socket) -> None:
    """Let the kernel hash over the sockets of the group. Raises `OSError` before Linux 5.3."""
    member.setsockopt(socket.SOL_SOCKET, DETACH_REUSEPORT_BPF, 0)


@cache
def is_steering_supported() -> bool:
    """Whether this kernel steers, found out once, by a connection to ourselves (below 1 ms)."""
    try:
        return _is_steered()
    except OSError:
        return False


def _is_steered() -> bool:
    with socket.socket() as client, socket.socket() as first, socket.socket() as second:
        client.bind(("127.0.0.1", 0))
        client.settimeout(PATIENCE)
        for member in (first, second):
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            member.bind(first.getsockname() if member is second else ("127.0.0.1", 0))
            member.listen()
        # As long as any that will be wanted; a system that ignores it would use both sockets.
        attach(first, program((0, 0), {client.getsockname(): 1}))
        client.connect(first.getsockname())
        poll = select.poll()
        poll.register(first, select.POLLIN)
        poll.register(second, select.POLLIN)
        return [number for number, _ in poll.poll(PATIENCE * 1000)] == [second.fileno()]
