"""What happened is numbered, kept, and never a reason to fail."""

import json
import os
from pathlib import Path

import pytest
import trio

from oxtrio.supervisor import journal as module
from oxtrio.supervisor.journal import KEPT, Broadcast, Journal


def a_journal(path: Path) -> Journal:
    return Journal(str(path), lambda: 1e9)


def kinds(journal: Journal) -> list[str]:
    return [event.kind for event in journal.history()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def write(path: Path, *kinds: str) -> None:
    journal = a_journal(path)
    for kind in kinds:
        journal.record("web", kind)
    journal.close()


def test_the_next_supervisor_goes_on_where_the_last_one_ended(path: Path) -> None:
    write(path, "one", "two")
    journal = a_journal(path)
    journal.record("web", "three")
    journal.close()

    assert [(event.seq, event.kind) for event in journal.history()] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize(
    "torn", [b'{"seq": 3, "na', b"\xff\xfe", b"null", b'{"seq": "x"}', b"[" * 9999]
)
def test_a_torn_line_costs_only_itself(path: Path, torn: bytes) -> None:
    write(path, "one", "two")
    with open(path, "ab") as file:
        file.write(torn)
    write(path, "three")

    assert kinds(a_journal(path)) == ["one", "two", "three"]


def test_an_event_of_a_wrong_shape_is_passed_over(path: Path) -> None:
    write(path, "one")
    line = json.loads(path.read_text()) | {"seq": "five"}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    write(path, "two")

    assert kinds(a_journal(path)) == ["one", "two"]


def test_numbers_go_on_after_a_rotation(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 300)
    write(path, *map(str, range(20)))
    os.replace(path, f"{path}.1") if path.exists() else None
    journal = a_journal(path)
    journal.record("web", "next")
    journal.close()

    assert journal.history()[-1].seq == 21


def test_only_so_much_is_kept_in_memory(path: Path) -> None:
    journal = Journal(None, lambda: 1e9)
    for number in range(KEPT + 10):
        journal.record("web", str(number))

    assert len(journal.history()) == KEPT
    assert [event.kind for event in journal.history(last=2)] == [str(KEPT + 8), str(KEPT + 9)]
    assert [event.kind for event in journal.history(since_seq=KEPT + 9)] == [str(KEPT + 9)]


def test_a_disk_that_refuses_costs_the_file_and_not_the_memory(tmp_path: Path) -> None:
    journal = a_journal(tmp_path / "no such folder" / "events")
    journal.record("web", "one")
    (tmp_path / "no such folder").mkdir()
    journal.record("web", "two")
    journal.close()

    assert kinds(journal) == ["one", "two"]
    assert kinds(a_journal(tmp_path / "no such folder" / "events")) == ["two"]


def test_a_name_that_is_no_text_is_written_all_the_same(path: Path) -> None:
    journal = a_journal(path)
    journal.record("web", "retry", reason="command '/tmp/\udcff' not found")
    journal.close()

    assert len(kinds(a_journal(path))) == 1


def test_a_link_is_never_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    path.symlink_to(tmp_path / "victim")
    write(path, "one")

    assert (tmp_path / "victim").read_text() == "precious"


async def test_readers_get_all_and_one_that_falls_behind_is_cut_off() -> None:
    news: Broadcast[int] = Broadcast()
    with news.subscribe(backlog=100) as quick, news.subscribe(backlog=3) as slow:
        for number in range(10):
            news.publish(number)

        assert [quick.receive_nowait() for _ in range(10)] == list(range(10))
        assert [number async for number in slow] == [0, 1, 2]
        news.publish(10)
        assert quick.receive_nowait() == 10


async def test_a_reader_that_left_is_no_trouble() -> None:
    news: Broadcast[int] = Broadcast()
    with news.subscribe(first=(1, 2)) as reader:
        assert [reader.receive_nowait(), reader.receive_nowait()] == [1, 2]
    news.publish(3)

    with pytest.raises(trio.ClosedResourceError):
        reader.receive_nowait()
