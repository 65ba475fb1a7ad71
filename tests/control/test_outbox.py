import trio
from trio.testing import wait_all_tasks_blocked

from oxtrio.control.outbox import FULL, NDJSON, OVERFULL, SERVER_SENT_EVENTS, Outbox, choose_format
from oxtrio.errors import NotFound


async def test_lines_wait_until_they_are_taken_all_at_once():
    outbox = Outbox(NDJSON)
    await outbox.put("log", b"1")
    outbox.put_nowait("log", b"2")
    outbox.close()

    assert await outbox.take() == b"1\n2\n"
    assert await outbox.take() == b""


async def test_server_sent_events_have_a_kind_and_an_id_to_go_on_from():
    outbox = Outbox(SERVER_SENT_EVENTS)
    await outbox.put("event", b"{}", "7")
    await outbox.put("log", b"{}")

    assert await outbox.take() == b"event: event\nid: 7\ndata: {}\n\nevent: log\ndata: {}\n\n"


async def test_a_writer_waits_for_a_slow_reader(nursery: trio.Nursery):
    outbox = Outbox(NDJSON)
    written = 0

    @nursery.start_soon
    async def write() -> None:
        nonlocal written
        for _ in range(1000):
            await outbox.put("log", b"x" * 1023)
            written += 1

    await wait_all_tasks_blocked()
    assert written == FULL // 1024 + 1
    assert len(await outbox.take()) == written * 1024

    await wait_all_tasks_blocked()
    assert written == 2 * (FULL // 1024 + 1)
    nursery.cancel_scope.cancel()


async def test_news_that_cannot_wait_is_dropped_for_a_reader_far_behind():
    outbox = Outbox(NDJSON)

    for _ in range(5000):
        outbox.put_nowait("step", b"x" * 1023)

    assert len(await outbox.take()) == OVERFULL + 1024


async def test_a_failure_before_it_is_open_becomes_a_refusal():
    outbox, error = Outbox(NDJSON), NotFound("no such app")

    outbox.fail(error, b'{"error":{}}')

    assert await outbox.wait_open() is error


async def test_a_failure_after_it_is_open_is_the_last_line():
    outbox = Outbox(NDJSON)
    outbox.open()
    await outbox.put("log", b"1")

    outbox.fail(NotFound("no such app"), b'{"error":{}}')

    assert await outbox.wait_open() is None
    assert await outbox.take() == b'1\n{"error":{}}\n'
    assert await outbox.take() == b""


def test_only_who_asks_for_server_sent_events_gets_them():
    assert choose_format("text/event-stream, */*") is SERVER_SENT_EVENTS
    assert choose_format("*/*") is choose_format("") is NDJSON
