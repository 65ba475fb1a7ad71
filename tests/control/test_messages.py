import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.control import messages
from oxtrio.control.wire import ErrorObject, OrderLine, from_error_object, to_error_object
from oxtrio.errors import (
    ConfigError,
    DaemonUnreachable,
    NotFound,
    OxtrioError,
    Problem,
    ProtocolError,
    TimedOut,
    UsageError,
)
from oxtrio.model.log import Skipped
from oxtrio.model.order import Failure, Order, Report, Step
from oxtrio.model.status import InstanceStatus
from tests.control.fakes import a_line, an_event, an_instance

STOP = b'{"verb":"stop"}'

HOSTILE = {
    "no JSON": (b"{not json}", "not valid JSON"),
    "UTF-16": (STOP.decode().encode("utf-16"), "not valid UTF-8"),
    "UTF-32 without a mark": (STOP.decode().encode("utf-32-le"), "not valid JSON"),
    "a mark of UTF-8": (b"\xef\xbb\xbf" + STOP, "not valid JSON"),
    "zeros": (b"\0" * 4096, "not valid JSON"),
    "deep arrays": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
    "a key twice": (b'{"verb":"wait","verb":"stop"}', "a key occurs twice"),
    "a key twice, inside": (b'{"verb":"stop","env":{"A":"1","A":"2"}}', "a key occurs twice"),
    "a huge integer": (b'{"verb":"stop","timeout":' + b"9" * 5000 + b"}", "not valid JSON"),
    "a large integer": (b'{"verb":"stop","timeout":' + b"9" * 400 + b"}", "too large"),
    "NaN": (b'{"verb":"stop","timeout":NaN}', "NaN is no number"),
    "Infinity": (b'{"verb":"stop","timeout":-Infinity}', "-Infinity is no number"),
    "an infinite float": (b'{"verb":"stop","timeout":1e999}', "too large"),
    "overlong UTF-8": (b'{"verb":"\xc0\xaf"}', "not valid UTF-8"),
    "a surrogate in UTF-8": (b'{"verb":"\xed\xa0\x80"}', "not valid UTF-8"),
    "a control character": (b'{"verb":"st\nop"}', "not valid JSON"),
    "more than one value": (STOP + STOP, "not valid JSON"),
    "nothing but a number": (b"1", "must be an object"),
    "too much": (b" " * messages.MAX_REQUEST + STOP, "at most 1048576 bytes"),
}


@pytest.mark.parametrize(("data", "complaint"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_refused_and_nothing_else_happens(data: bytes, complaint: str):
    with pytest.raises(ProtocolError, match=complaint):
        messages.read_request(Order, data)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_a_protocol_error_comes_of_them(data: bytes):
    for read in (
        lambda data: messages.read_request(Order, data),
        lambda data: messages.read_reply(InstanceStatus, data),
        lambda data: messages.read_replies(InstanceStatus, data),
        messages.read_order_line,
        messages.read_log_line,
        messages.read_event,
        messages.read_error,
    ):
        with suppress(ProtocolError):
            read(data)


def test_a_nul_in_a_name_is_a_name_that_nobody_has():
    order = messages.read_request(Order, b'{"verb":"stop","names":["a\\u0000b"]}')

    assert order.names == ("a\0b",)


def test_a_request_without_a_body_is_one_with_all_defaults():
    with pytest.raises(ProtocolError, match="lacks the field 'verb'"):
        messages.read_request(Order, b" \r\n")


@given(st.binary())
def test_output_survives_whatever_its_bytes(data: bytes):
    line = a_line(data)

    assert messages.read_log_line(messages.write_log_line(line)) == line


def test_output_that_is_text_is_shown_as_text_only():
    plain = json.loads(messages.write_log_line(a_line("grün\t\x1b[1m".encode())))

    assert plain == {"at": 1.5, "app": "api", "instance": 0, "stream": "stdout",
                     "text": "grün\t\x1b[1m"}  # fmt: skip


def test_output_that_is_no_text_is_shown_both_ways():
    plain = json.loads(messages.write_log_line(a_line(b"caf\xe9")))

    assert plain["text"] == "caf\N{REPLACEMENT CHARACTER}"
    assert plain["data_base64"] == "Y2Fm6Q=="


def test_a_follower_learns_how_much_it_missed():
    line = messages.write_log_line(Skipped(7))

    assert line == b'{"skipped":7}'
    assert messages.read_log_line(line) == Skipped(7)


def test_a_message_is_one_line_whatever_is_in_it():
    report = Report(notes=("a\nb\r\u2028\x85", "c"))

    written = messages.write_order_line(OrderLine(report=report))

    assert b"\n" not in written
    assert messages.read_order_line(written) == report


def test_a_path_that_is_not_utf_8_survives():
    path = b"/srv/caf\xe9".decode("utf-8", "surrogateescape")
    instance = an_instance(config=path)

    written = messages.write([instance])

    assert messages.read_replies(InstanceStatus, written) == [instance]


def test_a_report_says_in_one_word_whether_all_is_done():
    failed = Report(failures=(Failure(name="api", reason="exit code 1"),))

    assert json.loads(messages.write(Report()))["ok"] is True
    assert json.loads(messages.write(failed))["ok"] is False
    assert messages.read_reply(Report, messages.write(failed)) == failed


def test_steps_and_reports_are_told_apart_and_what_is_newer_than_us_is_passed_over():
    step = Step(name="api", state="starting")

    assert messages.read_order_line(messages.write_order_line(OrderLine(step=step))) == step
    assert messages.read_order_line(b'{"weather":{"rain":true}}') is None


def test_an_event_comes_back_as_it_went():
    event = an_event(3, reason="exit code 1")

    assert messages.read_event(messages.write(event)) == event


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no app is named 'x'", "see: oxtrio status"),
        UsageError("a"),
        TimedOut("b"),
        DaemonUnreachable("c"),
        ConfigError("broken", "fix it", (Problem("/o.toml", 3, "unknown key", "did you mean"),)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_on_the_other_side_as_what_it_was(error: OxtrioError):
    line = messages.write_order_line(OrderLine(error=to_error_object(error)))

    with pytest.raises(OxtrioError) as caught:
        messages.read_order_line(line)

    assert type(caught.value) is type(error)
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
    if isinstance(error, ConfigError):
        assert [str(one) for one in caught.value.problems] == [str(error.problems[0])]


def test_an_error_that_we_do_not_know_keeps_its_exit_code():
    newer = from_error_object(ErrorObject(kind="MoonIsFull", message="x", exit_code=3))
    newest = from_error_object(ErrorObject(kind="object", message="y", exit_code=77))

    assert newer.exit_code == 3
    assert type(newest) is OxtrioError
