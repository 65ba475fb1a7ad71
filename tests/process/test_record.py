"""What is kept of a run, as the next supervisor reads it."""

import json
import os
import stat
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxtrio.model.plain import to_plain
from oxtrio.model.spec import ListenSpec
from oxtrio.process.record import (
    Finished,
    Record,
    RecordFile,
    boot_seconds,
    record_of,
    records_in,
)
from oxtrio.system.proc import boot_id, stat_of

PLAIN = Record(run_id="ab12", name="api:1", boot_id="b", stop_signal=15, stop_timeout=3)
LISTEN = ListenSpec(host="0.0.0.0", port=8000, name="web")
FULL = replace(
    PLAIN,
    app="api",
    instance=1,
    pid=100,
    started=1000,
    main_pid=101,
    main_started=1001,
    spawned_at=1e9,
    spawned_after=12.5,
    version="abcd",
    environment="ef",
    held=((str(LISTEN), 2),),
    listens=(LISTEN,),
    newcomer=True,
    ready=True,
    unhealthy=True,
    said="doing well",
    counts=(3, 2, 1),
    status=256,
)


def kept(folder: Path) -> Record | None:
    [(_, record)] = records_in(str(folder))
    return record


@pytest.mark.parametrize("record", [PLAIN, FULL], ids=["at first", "at last"])
def test_everything_comes_back(tmp_path: Path, record: Record) -> None:
    RecordFile(str(tmp_path), record)

    assert kept(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ["ab12.json"]
    assert stat.S_IMODE((tmp_path / "ab12.json").stat().st_mode) == 0o600


def test_a_spawn_completes_it(tmp_path: Path) -> None:
    before = boot_seconds()
    me = stat_of(os.getpid())
    assert me is not None

    RecordFile(str(tmp_path), replace(PLAIN, boot_id=boot_id())).spawned(me.pid, me.started)

    record = kept(tmp_path)
    assert record is not None
    assert record.is_alive
    assert not record.is_main_alive
    assert 0 <= record.age <= boot_seconds() - before


@pytest.mark.parametrize("is_remembered", [False, True])
def test_one_that_is_over_is_kept_until_somebody_else_remembers_it(
    tmp_path: Path, is_remembered: bool
) -> None:
    finished = Finished()
    finished.is_remembered = is_remembered
    finished.add(RecordFile(str(tmp_path), PLAIN))

    assert len([*tmp_path.iterdir()]) == is_remembered
    for each in finished.take():
        each.remove()
    assert [*tmp_path.iterdir()] == []
    assert finished.take() == []


def test_it_is_written_only_where_that_makes_a_difference(tmp_path: Path) -> None:
    file = RecordFile(str(tmp_path), PLAIN)
    path = tmp_path / "ab12.json"
    first = path.stat().st_ino

    file.update(ready=False)
    file.update(said="loading")
    assert path.stat().st_ino == first
    file.update(ready=True)

    assert kept(tmp_path) == replace(PLAIN, ready=True, said="loading")


def test_one_that_is_there_is_not_written_until_something_changes(tmp_path: Path) -> None:
    file = RecordFile.of(str(tmp_path), PLAIN)
    assert list(tmp_path.iterdir()) == []

    file.update(main_pid=7, main_started=8)
    assert kept(tmp_path) == replace(PLAIN, main_pid=7, main_started=8)
    file.remove()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [None, "/nowhere"])
def test_what_cannot_be_kept_stops_nothing(folder: str | None) -> None:
    file = RecordFile(folder, PLAIN)
    file.update(ready=True)
    file.remove()

    assert file.record.ready


def test_a_later_version_may_keep_more_and_an_earlier_one_less() -> None:
    plain = {"run_id": "ab12", "name": "api:1", "boot_id": "b"}
    needed = plain | {"stop_signal": 15, "stop_timeout": 3}

    assert record_of(json.dumps(needed).encode()) == PLAIN
    assert record_of(json.dumps(needed | {"mood": ["good"]}).encode()) == PLAIN
    assert record_of(json.dumps(plain).encode()) is None


WRONG: list[dict[str, object]] = [
    {"stop_timeout": "soon"},
    {"stop_timeout": -1},
    {"stop_signal": 0},
    {"stop_signal": 999},
    {"pid": "1"},
    {"pid": -1},
    {"pid": True},
    {"started": 10**400},
    {"run_id": "../../etc/passwd"},
    {"run_id": ""},
    {"name": None},
    {"held": [["a"]]},
    {"held": [["a", "b"]]},
    {"listens": [{"port": "x"}]},
    {"ready": 1},
]


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_one_that_makes_no_sense_is_none(changes: dict[str, object]) -> None:
    plain = to_plain(FULL)
    assert isinstance(plain, dict)

    assert record_of(json.dumps(plain | changes).encode()) is None


def test_infinite_patience_is_none() -> None:
    assert record_of(json.dumps(to_plain(FULL)).replace("3.0", "Infinity").encode()) is None


@settings(max_examples=300)
@given(data=st.binary(max_size=300))
def test_no_bytes_make_reading_fail(data: bytes) -> None:
    assert record_of(data) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(table=st.dictionaries(st.sampled_from([each.name for each in fields(Record)]), JSON))
def test_no_values_make_reading_fail(table: dict[str, object]) -> None:
    plain = to_plain(PLAIN)
    assert isinstance(plain, dict)
    record = record_of(json.dumps(plain | table).encode())

    if record is not None:
        assert record.is_alive in (True, False)
        assert record.age >= 0
