"""History and streams: events and logs."""

from collections.abc import Callable

from oxtrio.control.exchange import Reply, Request, Stream
from oxtrio.control.facade import Steered
from oxtrio.control.messages import write, write_log_line
from oxtrio.control.outbox import Outbox, choose_format
from oxtrio.control.query import Query, finite, natural
from oxtrio.control.replies import json_reply
from oxtrio.errors import OxtrioError
from oxtrio.model.log import LogQuery, Skipped
from oxtrio.model.log import Stream as LogStream

DEFAULT_LINES = LogQuery().lines


def events(steered: Steered, request: Request) -> Reply | Stream:
    """What happened; with `follow` also what happens, each event once and in order."""
    query = Query(request.query)
    since: int | None = query.value("since", natural, "a number", default=_last_seen(request))
    last: int | None = query.value("last", natural, "a number", default=None)
    follow = query.flag("follow")
    query.finish()
    if not follow:
        return json_reply(steered.events(since_seq=since, last=last))

    async def fill(outbox: Outbox) -> None:
        # First listen, then look back: nothing falls between the two.
        with steered.follow_events() as live:
            outbox.open()
            seen = -1
            for event in steered.events(since_seq=since, last=last):
                await outbox.put("event", write(event), str(event.seq))
                seen = event.seq
            async for event in live:
                if event.seq > seen:
                    await outbox.put("event", write(event), str(event.seq))
                    seen = event.seq
        if not steered.supervisor_status().stopping:
            raise OxtrioError(
                "cut off: this reader fell behind",
                hint=f"go on with: GET /v1/events?follow=1&since={seen}",
            )

    style = choose_format(request.header("accept"))
    return Stream(style=style, fill=fill, endless=True)


def logs(steered: Steered, request: Request) -> Stream:
    """Lines of output; with `follow` also those to come."""
    query = _log_query(Query(request.query))

    async def fill(outbox: Outbox) -> None:
        async with steered.follow_logs(query) as lines:
            outbox.open()
            async for line in lines:
                kind = "skipped" if isinstance(line, Skipped) else "log"
                await outbox.put(kind, write_log_line(line))

    style = choose_format(request.header("accept"))
    return Stream(style=style, fill=fill, endless=query.follow)


def _last_seen(request: Request) -> int | None:
    """Where a browser's EventSource goes on after a broken connection."""
    seen = request.header("last-event-id")
    return int(seen) if seen.isascii() and seen.isdigit() else None


def _log_query(query: Query) -> LogQuery:
    number: Callable[[str], float | None] = finite
    stream: Callable[[str], LogStream | None] = LogStream
    wanted = LogQuery(
        names=query.all("name"),
        lines=query.value("lines", _lines, "a number or all", default=DEFAULT_LINES),
        since=query.value("since", number, "seconds since 1970", default=None),
        until=query.value("until", number, "seconds since 1970", default=None),
        grep=query.text("grep"),
        level=query.text("level"),
        stream=query.value("stream", stream, "stdout or stderr", default=None),
        follow=query.flag("follow"),
    )
    query.finish()
    return wanted


def _lines(text: str) -> int | None:
    return None if text == "all" else natural(text)
