"""The program that steers: what it returns, and that the kernel takes it."""

import ipaddress
import random
import socket

import pytest

from oxtrio.system import steering
from oxtrio.system.steering import Program, program


def packet(source: str, port: int) -> bytes:
    """The headers of a packet, as far as a program may look at them."""
    number = ipaddress.ip_address(source)
    if number.version == 4:
        return b"\x45" + bytes(11) + number.packed + bytes(4) + port.to_bytes(2, "big")
    return b"\x60" + bytes(7) + number.packed + bytes(16) + port.to_bytes(2, "big")


def result(instructions: Program, data: bytes, chance: int = 0) -> int:
    """What a machine of its own makes of *instructions*."""
    at, value = 0, 0
    sizes = {steering.LOAD_WORD: 4, steering.LOAD_HALF: 2, steering.LOAD_BYTE: 1}
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case steering.RETURN:
                return operand
            case steering.JUMP:
                at += operand
            case steering.JUMP_EQUAL:
                at += if_true if value == operand else if_false
            case steering.AND:
                value &= operand
            case steering.MODULO:
                value %= operand
            case _ if operand == steering.RANDOM & 0xFFFFFFFF:
                value = chance
            case _:
                offset = operand - (steering.PACKET & 0xFFFFFFFF)
                value = int.from_bytes(data[offset : offset + sizes[code]], "big")


ANYBODY = packet("10.0.0.1", 4711)


def test_one_serving_place_gets_all():
    assert {result(program((3,), {}), ANYBODY, chance) for chance in range(20)} == {3}


@pytest.mark.parametrize("serving", [(0, 1), (4, 0, 2), tuple(range(200)), tuple(range(5, 900, 3))])
def test_several_serving_places_are_drawn_with_the_same_chance(serving: tuple[int, ...]):
    instructions = program(serving, {})

    drawn = [result(instructions, ANYBODY, chance) for chance in range(len(serving) * 2)]

    assert sorted(drawn) == sorted(serving * 2)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.7.200", "::1", "fe80::aa:bbcc:ddee:1"])
def test_an_aim_meets_its_client_and_nobody_else(address: str):
    instructions = program((0,), {(address, 40000): 5})

    assert result(instructions, packet(address, 40000)) == 5
    assert result(instructions, packet(address, 40001)) == 0
    for stranger in ("127.0.0.9", "192.168.7.201", "::2", "fe81::aa:bbcc:ddee:1", "fe80::1"):
        assert result(instructions, packet(stranger, 40000)) == 0


def test_any_number_of_aims_stand_beside_one_another():
    chance = random.Random(7)
    hosts = ("127.0.0.1", "127.0.0.2", "::1", "::2")
    aims = {(host, chance.randrange(1, 65536)): place for place in range(150) for host in hosts}

    instructions = program((200, 201), aims)

    for (host, port), place in aims.items():
        assert result(instructions, packet(host, port)) == place
    assert result(instructions, packet("127.0.0.3", 1), chance=5) == 201


def test_jumps_fit_into_their_fields():
    aims = {("::1", port): 1 for port in range(1, 600)}

    for _, if_true, if_false, operand in program(tuple(range(400)), aims):
        assert max(if_true, if_false) < 256
        assert 0 <= operand < 2**32


def test_the_kernel_takes_a_program_for_many():
    aims = {(host, port): 1 for host in ("127.0.0.1", "::1") for port in range(1, 200)}
    with socket.socket() as member:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        member.bind(("127.0.0.1", 0))
        member.listen()

        steering.attach(member, program(tuple(range(500)), aims))
        steering.detach(member)


def test_a_socket_without_a_group_cannot_be_steered():
    with socket.socket() as alone, pytest.raises(OSError, match="Invalid argument"):
        steering.attach(alone, program((0,), {}))


def test_this_system_steers():
    assert steering.is_steering_supported()


@pytest.mark.parametrize("broken", ["refused", "ignored"])
def test_a_system_that_does_not_steer_is_known_as_one(monkeypatch: pytest.MonkeyPatch, broken: str):
    def attach(member: socket.socket, instructions: Program) -> None:
        if broken == "refused":
            raise OSError(92, "Protocol not available")
        # A program that always says 0, as if ours had not been read.
        real(member, program((0,), {}))

    real = steering.attach
    monkeypatch.setattr(steering, "attach", attach)
    steering.is_steering_supported.cache_clear()
    try:
        assert not steering.is_steering_supported()
    finally:
        steering.is_steering_supported.cache_clear()
