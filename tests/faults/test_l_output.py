"""Output of every shape: endless lines, bytes, tiny writes, and who has to share a machine."""

import json
from pathlib import Path

import psutil
import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.faults.invariants import cpu_ticks
from tests.faults.logged import app
from tests.faults.parts import parts
from tests.faults.scarcity import read_only

pytestmark = pytest.mark.slow

ONE_SHOT = "restart_on_exit = false\n"
MIB = 1 << 20
BIGLINE = f"{PYTHON} {FIXTURES}/bigline.py"


def memory(process: psutil.Process) -> int:
    return process.memory_info().rss


@pytest.mark.parametrize("code", [120, 13], ids=["x", "progress-bar"])
def test_l01_l19_a_line_that_never_ends_fills_neither_memory_nor_disk(ox: Ox, code: int):
    ox.up(
        app("big", f"until test -e go; do sleep 0.05; done; exec {BIGLINE} 96 {code}")
        + "[processes.big.logs]\nmax_size_mb = 4\nmax_files = 2\n"
    )
    supervisor = ox.supervisor()
    before = memory(supervisor)

    (ox.folder / "go").touch()
    most = 0

    def written() -> bool:
        nonlocal most
        most = max(most, memory(supervisor))
        return (ox.folder / "written").exists()

    ox.eventually(written, "96 MiB to be written")
    shown = ox.done("logs", "big", "-n", "1")

    assert most - before < 32 * MIB
    assert memory(supervisor) - before < 32 * MIB
    assert 0 < len(shown) <= MIB + 1
    sizes = [each.stat().st_size for each in parts(ox.state / "logs", "big.log")]
    assert len(sizes) == 3
    assert max(sizes) <= 6 * MIB
    assert ox.rows()["big"]["status"] == "running"


def test_l01_nothing_of_an_endless_line_is_missing(ox: Ox):
    ox.up(app("big", f"{BIGLINE} 24") + "[processes.big.logs]\nmax_size_mb = 2\nmax_files = 50\n")
    ox.eventually((ox.folder / "written").exists, "24 MiB to be written")

    ox.done("stop", "big")

    data = b"".join(each.read_bytes() for each in parts(ox.state / "logs", "big.log"))
    assert len(data) == 24 * MIB
    assert set(data) == {ord("x")}


def test_l09_each_stream_keeps_its_order_and_so_do_both_where_they_are_one(ox: Ox):
    ox.write(
        "import os\nfor number in range(2000):\n    os.write(1 + number % 2, b'%d\\n' % number)\n",
        "both.py",
    )
    ox.write(
        app("two", f"{PYTHON} both.py", ONE_SHOT)
        + app("one", f"exec {PYTHON} both.py 2>&1", ONE_SHOT)
        + app("files", f"{PYTHON} both.py", ONE_SHOT + "log_file = 'o'\nerror_log_file = 'e'\n")
    )

    ox.done("start")

    def numbers(text: str) -> list[int]:
        return [int(line) for line in text.split()]

    even, odd = list(range(0, 2000, 2)), list(range(1, 2000, 2))
    found = [
        json.loads(line) for line in ox.done("logs", "two", "-n", "all", "--json").splitlines()
    ]
    for stream, expected in (("stdout", even), ("stderr", odd)):
        assert [int(each["line"]) for each in found if each["stream"] == stream] == expected
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)
    assert numbers(ox.done("logs", "one", "-n", "all")) == list(range(2000))
    assert numbers((ox.folder / "o").read_text()) == even
    assert numbers((ox.folder / "e").read_text()) == odd


def test_l15_a_noisy_app_costs_its_neighbours_nothing(ox: Ox):
    quiet = [f"quiet{number}" for number in range(9)]
    ox.up(
        app("noisy", "exec yes 'so much to say, and all at once'")
        + "[processes.noisy.logs]\nmax_size_mb = 2\nmax_files = 2\n"
        + "".join(
            app(name, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done") for name in quiet
        )
    )
    following = ox.foreground("logs", "-f", "-n", "all", "quiet*")

    following.says("quiet8 | 5")
    ox.done("stop", "noisy")
    ox.done("stop", "quiet*")

    for name in quiet:
        numbers = [int(line) for line in (ox.state / "logs" / f"{name}.log").read_text().split()]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 5
    assert ox.pid("canary")


REOPENS = app(
    "a",
    "echo a; echo b > /dev/stdout; echo c > /proc/self/fd/1; echo d > /dev/fd/2",
    ONE_SHOT + "user = 'nobody'\n",
)


@needs_root
def test_l18_a_user_reopens_its_own_output_by_any_of_its_names(ox: Ox):
    ox.folder.chmod(0o755)
    ox.write(REOPENS)

    ox.done("start")

    assert sorted(ox.done("logs", "a").split()) == ["a", "b", "c", "d"]


@needs_root
def test_l18_so_it_does_where_no_folder_is_writable(ox: Ox):
    ox.folder.chmod(0o755)
    ox.write(REOPENS)
    ox.home.mkdir()

    with read_only(ox.home):
        running = ox.foreground("run", "--no-prefix")
        assert running.ends() == 0

    assert sorted(running.out.split()) == ["a", "b", "c", "d"]


def test_l20_a_million_tiny_writes_cost_no_more_than_they_cost_the_app(ox: Ox):
    ox.write(
        "import os, signal, time\nbegin = time.process_time()\n"
        "for _ in range(200_000):\n    os.write(1, b'.')\n"
        "open('spent', 'w').write(str(time.process_time() - begin))\nsignal.pause()\n",
        "tiny.py",
    )
    ox.up(app("a", f"until test -e go; do sleep 0.05; done; exec {PYTHON} tiny.py"))
    supervisor = ox.supervisor().pid
    before = cpu_ticks(supervisor)

    (ox.folder / "go").touch()
    spent = float(ox.content("spent"))
    ox.done("stop", "a")

    log = ox.state / "logs" / "a.log"
    assert log.stat().st_size == 200_000
    assert Path(f"{log}.idx").stat().st_size < 24 * 1000
    assert (cpu_ticks(supervisor) - before) / 100 < 2 * spent + 0.5
