"""The text from which the next program goes on."""

import json
from dataclasses import replace

import pytest

from oxtrio.errors import OxtrioError
from oxtrio.model.log import Chunk, LogLine, Stream
from oxtrio.model.status import Event
from oxtrio.process.record import Record
from oxtrio.supervisor.handover import Handover, handover_of, text_of
from oxtrio.supervisor.remembered import Remembered

RECORD = Record(
    run_id="00ff", name="a", boot_id="b", stop_signal=15, stop_timeout=2.0, pid=7, seen=((8, 99),)
)
WHOLE = Handover(
    version="1.2",
    started_at="2026-01-01T00:00:00+00:00",
    upgrades=3,
    remembered=Remembered(boot_id="b"),
    runs=(RECORD,),
    exits=((7, 256),),
    inherited=(5,),
    file_limit=(1024, 4096),
    descriptors=(("control", 11), ("lock/0", 12), ("lock/1", 13)),
    events=(Event(seq=1, at="x", name="a", kind="k", state="s", reason="r"),),
    begun=(("a", 0, "stderr", 1.5, "\xff half"),),
    recent=(("a", 1, "stdout", 1.0, "\xff whole\n"),),
)


def test_it_is_read_as_it_was_written():
    assert handover_of(text_of(WHOLE)) == WHOLE


def test_the_reaper_is_told_whom_to_expect():
    expected = WHOLE.expected

    assert expected.pids == {7}
    assert expected.exits == {7: 256}
    assert expected.inherited == {5}
    assert not expected.strangers


def test_descriptors_are_found_by_name():
    assert WHOLE.descriptor("control") == 11
    assert WHOLE.descriptor("keeper") is None
    assert WHOLE.named("lock/") == {"0": 12, "1": 13}


def test_lines_that_had_begun_keep_their_bytes():
    assert list(WHOLE.lines) == [LogLine(1.5, "a", 0, Stream.STDERR, b"\xff half")]
    assert list(WHOLE.chunks) == [Chunk(1.0, "a", 1, Stream.STDOUT, b"\xff whole\n")]


def test_what_a_later_version_adds_is_passed_over():
    raw = json.loads(text_of(WHOLE))
    raw["mood"] = "good"

    assert handover_of(json.dumps(raw).encode()) == WHOLE


@pytest.mark.parametrize(
    "later", [replace(WHOLE, format=99), replace(WHOLE, remembered=Remembered(format=99))]
)
def test_what_a_later_version_has_changed_is_refused(later: Handover):
    with pytest.raises(OxtrioError, match=r"oxtrio 1\.2 runs") as refused:
        handover_of(text_of(later))

    assert refused.value.hint == "install oxtrio 1.2 or a later one"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"version": 1}', b"[" * 100_000])
def test_what_is_no_handover_is_refused(text: bytes):
    with pytest.raises(OxtrioError, match="cannot read what the running supervisor hands on"):
        handover_of(text)
