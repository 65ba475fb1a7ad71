"""Output whose reader was killed: every line is in the log once, and in order."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from oxtrio.model.spec import LogSpec
from oxtrio.process.output import Output, reading
from tests.engine import descriptors
from tests.process.crashing import (
    Site,
    close,
    end_all,
    ended,
    fork,
    in_trio,
    move_all,
    read_for_ever,
)

Make = Callable[..., Site]


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Make]:
    sites: list[Site] = []

    def make(**logs: object) -> Site:
        folder = tmp_path / str(len(sites))
        folder.mkdir()
        spec = LogSpec(**{"max_files": 100_000, **logs})  # type: ignore[arg-type]
        sites.append(Site(folder, spec))
        return sites[-1]

    yield make
    end_all()
    for site in sites:
        site.close()


MANNERS: dict[str, dict[str, object]] = {
    "whole lines": {},
    "as it comes": {"error_file": "err.log"},
    "rotated": {"max_size": 150},
    "rotated as it comes": {"max_size": 150, "error_file": "err.log"},
    "dated": {"date_format": "%H:%M:%S "},
}
PIECES = (b"one\ntwo\nthr", b"ee\n", b"same\n" * 40, b"no", b"newline", b" yet", b"\n", b"same\nla")
SENT = b"".join(PIECES)


def in_manner(site_of: Make, manner: str) -> Site:
    logs = dict(MANNERS[manner])
    site = site_of(**logs)
    if "error_file" in logs:
        site.logs = replace(site.logs, error_file=str(site.folder / "logs" / "err.log"))
    site.begin()
    return site


def said(site: Site) -> bytes:
    """What is in the log, without the dates."""
    log = site.log()
    if site.logs.date_format is None:
        return log
    lines = log.split(b"\n")
    assert all(line == b"" or line[2:3] == line[5:6] == line[9:10] == b":" for line in lines), log
    return b"\n".join(line[11:] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("manner", MANNERS)
def test_wherever_a_reader_dies_the_next_one_goes_on_just_there(site_of: Make, manner: str) -> None:
    """Before any single line of our code that recovers or moves a piece, and again, and again."""
    chance = random.Random()
    killed = 0
    for _ in range(15):
        site = in_manner(site_of, manner)
        lines = []
        for piece in PIECES:
            site.say(piece)
            lines.append(chance.randrange(chance.choice([100, 300, 900])))
            status = ended(site.killed_at_line(lines[-1]))
            assert status in (0, -signal.SIGKILL)
            killed += status != 0
        site.finish()
        assert said(site) == SENT, f"killed at lines {lines}"
    assert killed > 40


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("torn", [0, 1, 7, 30, 199])
def test_a_write_that_was_cut_short_is_completed(site_of: Make, manner: str, torn: int) -> None:
    site = in_manner(site_of, manner)
    site.say(PIECES[2])
    others = b"others\n" if manner == "whole lines" else b""

    def die(outputs: list[Output]) -> None:
        left = torn

        def write(fd: int, data: bytes) -> int:
            nonlocal left
            done = really(fd, data[: min(left, len(data))])
            left -= done
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        really, os.write = os.write, write  # type: ignore[assignment]
        move_all(outputs)

    assert ended(site.in_a_process(die)) == -signal.SIGKILL  # type: ignore[arg-type]
    site.say(others, "0stderr")  # which comes first
    assert ended(site.in_a_process(lambda outputs: move_all(outputs[::-1]))) == 0
    site.finish()

    log = said(site)
    assert log.count(others) == 1 or not others
    assert log.replace(others, b"") == PIECES[2]


def killed_after_writing(site: Site) -> None:
    """The chunk is in the log, and nobody had the time to say so."""

    def die(outputs: list[Output]) -> None:
        for output in outputs:
            output._mark.written = lambda: os.kill(  # type: ignore[method-assign]
                os.getpid(), signal.SIGKILL
            )
        move_all(outputs)

    assert ended(site.in_a_process(die)) == -signal.SIGKILL  # type: ignore[arg-type]


def test_a_log_that_was_moved_away_meanwhile_is_found(site_of: Make) -> None:
    site = in_manner(site_of, "whole lines")
    site.say(b"one\n")
    killed_after_writing(site)
    log = site.folder / "logs" / "a.log"
    log.rename(log.with_name("a.log-20250101"))
    site.say(b"two\n")

    site.finish()

    assert log.read_bytes() == b"two\n"


def test_what_was_in_a_log_that_was_deleted_meanwhile_is_written_again(site_of: Make) -> None:
    """Nobody can tell whether it was there: better once in the log that is left than never."""
    site = in_manner(site_of, "whole lines")
    site.say(b"one\n")
    killed_after_writing(site)
    (site.folder / "logs" / "a.log").unlink()

    site.finish()

    assert site.log() == b"one\n"


def test_a_log_that_was_emptied_meanwhile_goes_on_empty(site_of: Make) -> None:
    site = in_manner(site_of, "whole lines")
    site.say(b"before\n")
    assert ended(site.in_a_process(move_all)) == 0
    site.say(b"one\n")
    killed_after_writing(site)
    os.truncate(site.folder / "logs" / "a.log", 0)

    site.finish()

    assert site.log() == b"one\n"


def test_a_pipe_that_went_with_its_run_ends_what_was_under_way(site_of: Make) -> None:
    """What was written is in the log; nothing is made up for what was not."""
    site = in_manner(site_of, "whole lines")
    site.say(b"one\n")
    killed_after_writing(site)
    site.close()
    site.kept.clear()

    site.finish()

    assert site.log() == b"one\n"


def test_another_log_that_grows_first_does_not_matter_once_the_marks_are_settled(
    site_of: Make,
) -> None:
    """Two instances share a log; the second one had been writing, the first one goes on first."""
    site = site_of()
    site.instances = 2
    site.begin()
    site.say(b"second\n", "1stdout")
    killed_after_writing(site)
    site.say(b"first\n", "0stdout")

    def go_on() -> None:
        outputs = site.reopen()
        for output in outputs:
            move_all([output])
        close(outputs)

    in_trio(go_on)

    assert site.log() == b"second\nfirst\n"


def test_the_last_words_of_a_run_that_ended_meanwhile_are_kept_with_its_descriptors(
    site_of: Make,
) -> None:
    site = in_manner(site_of, "whole lines")
    assert ended(site.in_a_process(move_all)) == 0
    site.say(b"Traceback\nValueError", "0stderr")
    site.say(b"bye\n")
    kept = [os.dup(site.kept[stream]) for stream in ("0stdout", "0stderr")]
    site.close()  # the run is over
    site.kept.clear()

    async def go_on() -> None:
        outputs = site.reopen(*kept)
        with trio.fail_after(30):
            async with reading(outputs):
                pass
        close(outputs)

    trio.run(go_on)

    assert sorted(site.log().split(b"\n")) == [b"Traceback", b"ValueError", b"bye"]
    assert [path.suffix for path in site.runs.iterdir()] == [".mark"] * 2


def test_a_pipe_whose_folder_was_wiped_is_found_by_who_writes_to_it(site_of: Make) -> None:
    site = in_manner(site_of, "whole lines")
    pid = os.fork()
    if pid == 0:
        os.dup2(site.kept["0stdout"], 1)
        os.dup2(site.kept["0stderr"], 2)
        signal.pause()
    try:
        time_limit = time.monotonic() + 30
        while "run0.out" not in os.readlink(f"/proc/{pid}/fd/1"):
            assert time.monotonic() < time_limit
        site.say(b"still here\n")
        for path in site.runs.iterdir():
            path.unlink()

        async def read() -> None:
            outputs = site.reopen(pid=pid)
            for output in outputs:
                await output.finish()
            close(outputs)

        trio.run(read)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert site.log() == b"still here\n"


def test_output_that_is_gone_for_good_is_no_reason_to_leave_a_run_alone(site_of: Make) -> None:
    site = in_manner(site_of, "whole lines")
    for path in site.runs.iterdir():
        path.unlink()

    async def read() -> None:
        outputs = site.reopen()
        for output in outputs:
            await output.finish()
        close(outputs)

    trio.run(read)

    assert site.log() == b""


def test_output_that_cannot_be_found_again_leaves_nothing_open(site_of: Make) -> None:
    site = in_manner(site_of, "whole lines")
    (site.runs / "run0.err").unlink()
    (site.runs / "file").touch()
    kept = [os.open(site.runs / "file", os.O_RDWR), os.dup(site.kept["0stderr"])]
    before = descriptors()

    def go_on() -> None:
        scratches, made = [], site._around
        site._around = lambda kept=None: scratches.append(made(kept)) or scratches[0]  # type: ignore[func-returns-value, method-assign, assignment, misc]
        with pytest.raises(OSError, match="not a pipe"):
            site.reopen(*kept)
        scratches[0].scratch.close()

    in_trio(go_on)

    # The log and its index are the store's, and stay open.
    assert descriptors() == before - len(kept) + 2


# At full speed, killed at any moment.


def write_lines(descriptor: int, name: bytes, number: int, until: float) -> None:
    """Whole lines of the same or of different lengths, as fast as they are taken."""
    chance, count, lines = random.Random(number), 0, b""
    while time.monotonic() < until:
        while len(lines) < 30_000:
            lines += b"%s:%d %s\n" % (name, count, b"x" * chance.randrange(1500))
            count += 1
        lines = lines[os.write(descriptor, lines[: chance.randint(1, 60_000)]) :]
    while lines:
        lines = lines[os.write(descriptor, lines) :]
    os.write(descriptor, b"%s=%d\n" % (name, count))


def write_same(descriptor: int, name: bytes, number: int, until: float) -> None:
    """Lines that do not differ at all, then how many there were."""
    count, chance = 0, random.Random(number)
    line = b"%s " % name + b"y" * 300 + b"\n"
    while time.monotonic() < until:
        many = chance.randint(1, 150)
        data = line * many
        while data:
            data = data[os.write(descriptor, data) :]
        count += many
    os.write(descriptor, b"%s=%d\n" % (name, count))


Writer = Callable[[int, bytes, int, float], None]


def check(lines: list[bytes], name: bytes, *, same: bool) -> int:
    """All of one stream is there, once and in order; how many lines it was."""
    mine = [line for line in lines if line.startswith((name + b":", name + b"=", name + b" "))]
    total = int(mine[-1].removeprefix(name + b"="))
    if same:
        assert set(mine[:-1]) == {name + b" " + b"y" * 300}
        assert len(mine) - 1 == total
    else:
        numbers = [int(line.partition(b" ")[0].partition(b":")[2]) for line in mine[:-1]]
        assert numbers == list(range(total))
        assert all(set(line.partition(b" ")[2]) <= {ord("x")} for line in mine[:-1])
    return total


@pytest.mark.slow
@pytest.mark.parametrize("same", [False, True], ids=["numbered", "identical"])
@pytest.mark.parametrize("manner", ["whole lines", "as it comes", "rotated"])
def test_of_readers_that_are_killed_under_load_every_line_is_kept_once_and_in_order(
    site_of: Make, manner: str, same: bool
) -> None:
    chance = random.Random()
    site = site_of(**({"max_size": 400_000} if manner == "rotated" else {}))
    site.instances = 1 if manner == "as it comes" else 2
    if manner == "as it comes":
        site.logs = replace(site.logs, error_file=str(site.folder / "logs" / "err.log"))
    site.begin()
    streams = ["0stdout", "0stderr", "1stdout"][: 1 if manner == "as it comes" else 3]
    until, kills, write = time.monotonic() + 2.0, 0, write_same if same else write_lines
    writers = [
        fork(partial(write, site.kept[stream], stream.encode(), number, until))
        for number, stream in enumerate(streams)
    ]
    hear, ready = os.pipe()
    while time.monotonic() < until or kills < 40:
        reader = site.in_a_process(lambda outputs: read_for_ever(outputs, ready))
        assert os.read(hear, 1) == b"!"
        time.sleep(chance.uniform(0, 0.02))
        os.kill(reader, signal.SIGKILL)
        assert ended(reader) == -signal.SIGKILL
        kills += 1
    reader = site.in_a_process(lambda outputs: read_for_ever(outputs, ready))
    assert [ended(writer) for writer in writers] == [0] * len(writers)
    os.kill(reader, signal.SIGKILL)
    ended(reader)
    os.close(hear)
    os.close(ready)
    site.finish()

    lines = site.log().split(b"\n")
    counts = [check(lines, stream.encode(), same=same) for stream in streams]
    assert lines.pop() == b""
    assert len(lines) == sum(counts) + len(counts), "nothing else is in the log"
    assert kills >= 40
    print(f"{kills} kills, {sum(counts)} lines")
