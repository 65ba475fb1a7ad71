"""What apps write: where it goes, that nothing is lost, and how `logs` shows it."""

import gzip
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.stack import BIN

pytestmark = pytest.mark.slow

ONE_SHOT = "restart_on_exit = false\n"
NUMBERED = f"{PYTHON} {FIXTURES}/numbered.py"


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\n{keys}\n"


def numbers(data: bytes) -> list[int]:
    return [int(line.split()[0]) for line in data.splitlines()]


def parts(folder: Path, name: str) -> list[Path]:
    """The log file *name* with its rotated parts, oldest first; without the indexes."""
    found = [each for each in folder.glob(f"{name}*") if not each.name.endswith(".idx")]
    return sorted(found, key=lambda each: (each.stat().st_mtime_ns, each.name == name))


def test_the_log_holds_the_apps_own_bytes_of_both_streams(ox: Ox):
    ox.write(app("a", r"printf 'o\377\0u\rt\n\033[31mred'; printf 'err\n' >&2", ONE_SHOT))

    ox.done("start")

    data = (ox.state / "logs" / "a.log").read_bytes()
    assert b"o\xff\0u\rt\n\033[31mred" in data.replace(b"err\n", b"")
    assert b"err\n" in data


def test_streams_and_instances_go_where_the_oxfile_says(ox: Ox):
    ox.write(
        app("a", "echo out; echo err >&2", ONE_SHOT + "log_file = 'l/o'\nerror_log_file = 'l/e'")
        + app("b", "echo ${instance}", ONE_SHOT + "instances = 2\nlog_file = 'b-${instance}.log'")
        + app("c", "echo ${instance}", ONE_SHOT + "instances = 2\nlog_file = 'c.log'")
    )

    ox.done("start")

    def text(name: str) -> str:
        return (ox.folder / name).read_text()

    assert (text("l/o"), text("l/e")) == ("out\n", "err\n")
    assert (text("b-0.log"), text("b-1.log")) == ("0\n", "1\n")
    assert sorted(text("c.log").split()) == ["0", "1"]


def test_a_file_is_rotated_while_it_is_written_and_nothing_is_lost(ox: Ox):
    ox.write(
        app("a", f"{NUMBERED} 60000 60", ONE_SHOT + "log_file = 'a.log'")
        + "[processes.a.logs]\nmax_size_mb = 0.2\nmax_files = 50\ncompress = true\n"
    )

    ox.done("start")

    def compressed() -> list[Path] | None:
        rotated = [each for each in parts(ox.folder, "a.log") if each.name != "a.log"]
        return rotated if all(each.suffix == ".gz" for each in rotated) else None

    rotated = ox.eventually(compressed, "the rotated parts to be compressed")
    assert len(rotated) > 3
    # Their names say the order; compression is done beside, so that times do not.
    pieces = [gzip.decompress(each.read_bytes()) for each in rotated]
    pieces.sort(key=lambda piece: numbers(piece[: piece.rfind(b"\n") + 1])[0])
    assert all(len(piece) < 0.2 * 2**20 + 4096 for piece in pieces)
    everything = b"".join(pieces) + (ox.folder / "a.log").read_bytes()
    assert numbers(everything) == list(range(60000))
    assert numbers(ox.done("logs", "a", "-n", "all").encode()) == list(range(60000))


def test_old_parts_are_removed(ox: Ox):
    ox.write(
        app("a", f"{NUMBERED} 60000 60", ONE_SHOT + "log_file = 'a.log'")
        + "[processes.a.logs]\nmax_size_mb = 0.2\nmax_files = 2\n"
    )

    ox.done("start")

    assert len(parts(ox.folder, "a.log")) == 3
    shown = numbers(ox.done("logs", "a", "-n", "all").encode())
    assert shown == list(range(60000))[-len(shown) :]


def test_a_date_is_put_before_each_line_where_the_oxfile_asks_for_it(ox: Ox):
    ox.write(
        app("a", "printf 'x\\ny'", ONE_SHOT + 'log_date_format = "YYYY-MM-DD HH:mm:ss"')
        + app("b", "echo x", ONE_SHOT + "log_date_format = 'iso'")
        + app("c", "echo x", ONE_SHOT)
        + '[logging]\nlog_date_format = "%Y/%m/%d"\n'
    )

    ox.done("start")

    logs = ox.state / "logs"
    assert re.fullmatch(
        r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:? [xy]\n?){2}", (logs / "a.log").read_text()
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*:? x\n", (logs / "b.log").read_text())
    assert re.fullmatch(r"\d{4}/\d\d/\d\d:? x\n", (logs / "c.log").read_text())


def test_lines_are_chosen_by_number_time_text_level_and_stream(ox: Ox):
    ox.write(app("a", "echo INFO one; echo ERROR two; echo three; echo WARNING four >&2", ONE_SHOT))
    ox.done("start")

    def shown(*words: str) -> set[str]:
        return {line.split()[-1] for line in ox.done("logs", *words).splitlines()}

    assert shown() == {"one", "two", "three", "four"}
    assert len(shown("-n", "2")) == 2
    assert shown("--since", "1h") == {"one", "two", "three", "four"}
    assert shown("--until", "1h") == set()
    assert shown("--grep", "t[wh]") == {"two", "three"}
    assert shown("--stream", "err") == {"four"}
    assert shown("--stream", "stdout") == {"one", "two", "three"}
    assert "two" in shown("--level", "error")
    assert not {"one", "four"} & shown("--level", "error")
    objects = [json.loads(line) for line in ox.done("logs", "--json").splitlines()]
    assert {each["line"] for each in objects if each["stream"] == "stderr"} == {"WARNING four"}
    assert set(objects[0]) >= {"at", "name", "app", "instance", "stream", "line"}
    assert "grep" in ox.refused(2, "logs", "--grep", "(")
    ox.refused(4, "logs", "nobody")


def test_logs_of_several_apps_are_merged_and_outlive_the_supervisor(ox: Ox):
    ox.write(
        app("a", "echo first", ONE_SHOT)
        + app("b", "echo second", ONE_SHOT + 'depends_on = { a = "completed" }')
        + app("c", "echo third", ONE_SHOT + 'depends_on = { b = "completed" }')
    )
    ox.done("start")

    merged = ox.done("logs")

    assert [line.split()[-1] for line in merged.splitlines()] == ["first", "second", "third"]


def test_a_follower_misses_nothing_across_rotation_and_restart_and_ends_with_oxtrio(ox: Ox):
    ox.up(
        app(
            "a",
            f"until test -e gate$(cat runs 2>/dev/null | wc -l); do sleep 0.02; done;"
            f" echo x >> runs; {NUMBERED} 5000 60; exec sleep 3600",
            "start_secs = 0",
        )
        + "[processes.a.logs]\nmax_size_mb = 0.1\nmax_files = 20\n"
    )
    following = ox.foreground("logs", "-f", "-n", "all", "a")
    (ox.folder / "gate0").touch()
    following.says("4999 ")
    ox.done("restart", "a")
    (ox.folder / "gate1").touch()
    ox.eventually(lambda: following.out.count("4999 ") == 2, "the second run")
    ox.done("stop")

    assert following.ends() == 0
    assert numbers(following.out.encode()) == [*range(5000), *range(5000)]


def test_after_mv_and_hup_a_new_file_is_written_and_nothing_is_lost(ox: Ox):
    ox.up(
        app(
            "a",
            "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done",
            "log_file = 'a.log'\nstart_secs = 0",
        )
    )
    log = ox.folder / "a.log"
    ox.content("a.log")

    log.rename(ox.folder / "moved")
    ox.supervisor().send_signal(signal.SIGHUP)
    ox.content("a.log")
    ox.done("stop", "a")

    everything = numbers((ox.folder / "moved").read_bytes() + log.read_bytes())
    assert everything == list(range(len(everything)))


def test_last_words_and_those_of_a_grandchild_are_kept(ox: Ox):
    ox.write(
        app("a", f"{PYTHON} {FIXTURES}/pipeholder.py gate", ONE_SHOT)
        + app("b", "printf 'no newline'", ONE_SHOT)
    )
    (ox.folder / "gate").touch()

    ox("start")

    assert ox.becomes("a", "crashed")["exit"]["code"] == 3
    assert "first words" in ox.done("logs", "a")
    assert "no newline" in ox.done("logs", "b")


def test_a_terminal_gets_no_control_sequence_but_colours(ox: Ox):
    ox.write(
        app(
            "a",
            r"printf '\033]0;title\007\033[2J\033[31mred\033[0m\302\233mC1 '; "
            r"printf 'real\rfake \342\200\256x\n'",
            ONE_SHOT,
        )
    )
    ox.done("start")
    ours, its = pty.openpty()

    subprocess.run(
        [BIN / "oxtrio", "logs", "a"], cwd=ox.folder, env=ox.environ, stdout=its, check=True
    )
    os.close(its)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert "red" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", bare), bare


def test_a_log_that_cannot_be_written_stops_no_app_and_is_told(ox: Ox):
    ox.up(
        app(
            "a", "while :; do echo line; sleep 0.05; done", "log_file = '/dev/full'\nstart_secs = 0"
        )
        + app("b", "echo b; sleep 3600")
    )

    ox.eventually(lambda: ox.ask("/v1/supervisor")["warnings"], "a warning")

    assert "/dev/full" in ox("status").stderr
    assert ox.rows()["a"]["status"] == "running"
    assert "b" in ox.done("logs", "b")


def test_a_log_folder_that_is_removed_comes_back(ox: Ox):
    ox.up(app("a", "while :; do echo line; sleep 0.02; done", "log_file = 'l/a'\nstart_secs = 0"))
    ox.content("l/a")
    old = ox.pid("a")

    (ox.folder / "l").rename(ox.folder / "gone")
    ox.supervisor().send_signal(signal.SIGHUP)

    ox.content("l/a")
    assert ox.pid("a") == old
