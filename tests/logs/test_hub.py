"""Live output goes to whoever follows, and waits for nobody."""

import trio

from oxtrio.logs.hub import Hub, Ring
from oxtrio.model.log import Chunk, Skipped
from tests.logs.writing import OUT


def a_chunk(data=b"x", app="api", instance=0):
    return Chunk(0.0, app, instance, OUT, data)


async def test_a_follower_gets_what_it_wants_in_order(autojump_clock):
    hub = Hub()
    with hub.follow(lambda app, instance: app == "api" and instance == 1) as live:
        for number in range(3):
            hub.publish(a_chunk(b"%d" % number, instance=1))
            hub.publish(a_chunk(b"other"))
            hub.publish(a_chunk(b"other", "web", 1))

        assert [(await anext(live)).data for _ in range(3)] == [b"0", b"1", b"2"]
        with trio.move_on_after(60) as waiting:
            await anext(live)
        assert waiting.cancelled_caught
        hub.publish(a_chunk(b"later", instance=1))
        assert (await anext(live)).data == b"later"


async def test_a_waiting_follower_is_woken(autojump_clock, nursery):
    hub = Hub()
    with hub.follow(lambda *_: True) as live:

        @nursery.start_soon
        async def write():
            await trio.sleep(5)
            hub.publish(a_chunk(b"now"))

        assert (await anext(live)).data == b"now"
        assert trio.current_time() >= 5


async def test_a_follower_that_falls_behind_is_told_and_cut_off():
    hub = Hub()
    with hub.follow(lambda *_: True, backlog=10) as live:
        for _ in range(5):
            hub.publish(a_chunk(b"four"))
        got = [chunk async for chunk in live]

    assert got == [a_chunk(b"four"), a_chunk(b"four"), Skipped(3)]


async def test_a_follower_that_keeps_up_is_never_cut_off():
    hub = Hub()
    with hub.follow(lambda *_: True, backlog=10) as live:
        for _ in range(100):
            hub.publish(a_chunk(b"x" * 10))
            assert (await anext(live)) == a_chunk(b"x" * 10)


async def test_what_is_given_first_comes_first():
    hub = Hub()
    with hub.follow(lambda *_: True, backlog=1, first=[a_chunk(b"begun")]) as live:
        hub.publish(a_chunk(b"2"))

        assert [(await anext(live)).data for _ in range(2)] == [b"begun", b"2"]


async def test_nobody_follows_after_the_block():
    hub = Hub()
    with hub.follow(lambda *_: True):
        assert hub.followers
    assert not hub.followers


def test_the_ring_keeps_the_last_64_kib():
    ring = Ring("api")
    for number in range(100):
        ring.add(float(number), 0, OUT, b"x" * 1024)

    assert len(ring.chunks()) == 64
    assert ring.chunks()[-1].at == 99.0
    ring.add(100.0, 0, OUT, b"y" * 100_000)
    assert [len(chunk.data) for chunk in ring.chunks()] == [65536]


def test_many_tiny_chunks_do_not_fill_the_memory():
    ring = Ring("api")
    for _ in range(10_000):
        ring.add(0.0, 0, OUT, b"x")

    assert len(ring.chunks()) <= 512
