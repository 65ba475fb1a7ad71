"""How serious a line is, as the usual programs say it."""

import pytest

from oxtrio.policy.level import LEVELS, at_least, is_continuation, level_of, named_level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b"INFO:     Started server process [17]", "info"),
        (b"\x1b[32mINFO\x1b[0m:     Uvicorn running", "info"),
        (b"\x1b[31mERROR\x1b[0m:    Exception in ASGI application", "error"),
        (b"ERROR:root:it broke", "error"),
        (b"WARNING:py.warnings:soon gone", "warning"),
        (b"CRITICAL shop is on fire", "critical"),
        (b"2026-11-21 19:07:04,123 INFO spawned", "info"),
        (b"2026-11-21 19:07:04,123 shop.db ERROR gone", "error"),
        (b"2026-11-21 19:07:04,123 - shop.db - WARNING - slow", "warning"),
        (b"2026-11-21 19:07:04.123 | ERROR    | shop:main:1 - gone", "error"),
        (b"[2026-11-21 19:07:04,123: INFO/MainProcess] celery ready", "info"),
        (b"[2026-11-21 19:07:04,123: ERROR/ForkPoolWorker-1] Task raised", "error"),
        (b"[2026-11-21 19:07:04 +0000] [17] [INFO] Booting worker", "info"),
        (b"[2026-11-21 19:07:04 +0000] [17] [CRITICAL] WORKER TIMEOUT", "critical"),
        (b"2026/11/21 19:07:04 [error] 17#17: *1 connect() failed", "error"),
        (b"2026-11-21 19:07:04 UTC [17] LOG:  ready", "info"),
        (b"2026-11-21 19:07:04.123 UTC [17] FATAL:  no such role", "critical"),
        (b"2026-11-21T19:07:04.123Z DEBUG shop", "debug"),
        (b'ts=1 level=warn msg="slow"', "warning"),
        (b"[ERROR] gone", "error"),
        (b"error: no such file", "error"),
        (b"Warning: deprecated", "warning"),
        (b'{"level": "error", "msg": "gone"}', "error"),
        (b'{"levelname": "WARNING"}', "warning"),
        (b'{"severity": "CRITICAL"}', "critical"),
        (b'{"level": 30, "msg": "pino"}', "info"),
        (b'{"level": 60}', "critical"),
        (b'{"levelno": 40}', "error"),
        (b'{"text": "x", "record": {"level": {"name": "ERROR", "no": 40}}}', "error"),
        (b'{"msg": "says nothing"}', None),
        (b'{"level": true}', None),
        (b'{"level": "odd"}', None),
        (b'{"level": "error"', None),
        (b'{"level": "error", "x": "' + b"x" * 300_000 + b'"}', None),
        (b"Traceback (most recent call last):", "error"),
        (b"  + Exception Group Traceback (most recent call last):", "error"),
        (b"ValueError: no", "error"),
        (b"sqlalchemy.exc.OperationalError: gone", "error"),
        (b"KeyboardInterrupt", "error"),
        (b"The above exception was the direct cause of the following exception:", "error"),
        (b"hello", None),
        (b"no ERROR in the middle of a sentence", None),
        (b"INFORMATION", None),
        (b'127.0.0.1 - - [21/Nov/2026 19:07:04] "GET / HTTP/1.1" 200 -', None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_a_line_tells_how_serious_it_is(line, level):
    assert level_of(line) == level


def test_lines_that_are_indented_or_empty_belong_to_the_one_before():
    assert is_continuation(b'  File "x.py", line 1')
    assert is_continuation(b"")
    assert not is_continuation(b"ValueError: no")


def test_a_level_is_at_least_itself_and_all_below():
    assert [level for level in LEVELS if at_least(level, "error")] == ["error", "critical"]
    assert not at_least(None, "trace")


def test_levels_have_other_names():
    assert named_level(" WARN ") == "warning"
    assert named_level("fatal") == "critical"
    assert named_level("loud") is None
