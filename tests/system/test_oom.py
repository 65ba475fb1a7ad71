"""Where the kernel counts what it killed for memory."""

from pathlib import Path

import pytest

from oxtrio.system.oom import oom_kills


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine whose root counts 9 kills, and with cgroups mounted below `cg`."""
    (tmp_path / "self").mkdir()
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 9\n")
    return tmp_path


def mounted(machine: Path, *lines: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    (machine / "self/mountinfo").write_text(text.replace("/cg", f"{machine}/cg"))


def counter(machine: Path, path: str, text: str) -> None:
    file = machine / path
    file.parent.mkdir(parents=True)
    file.write_text(text)


V2 = "30 23 0:27 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "31 23 0:28 {root} /cg/memory rw shared:5 - cgroup cgroup rw,memory"


def test_cgroup_v2_counts_in_memory_events(machine: Path):
    (machine / "self/cgroup").write_text("0::/user.slice/shop.scope\n")
    mounted(machine, "1 1 0:1 / / rw - ext4 /dev/sda rw", V2)
    counter(machine, "cg/user.slice/shop.scope/memory.events", "low 0\noom 3\noom_kill 2\n")

    assert oom_kills(machine) == 2


def test_cgroup_v1_counts_in_oom_control(machine: Path):
    (machine / "self/cgroup").write_text("4:memory:/shop\n1:cpu:/other\n0::/\n")
    mounted(machine, V2, V1.format(root="/"))
    text = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"
    counter(machine, "cg/memory/shop/memory.oom_control", text)

    assert oom_kills(machine) == 5


def test_a_container_sees_only_what_is_below_its_own_root(machine: Path):
    (machine / "self/cgroup").write_text("4:memory:/docker/abc/inner\n")
    mounted(machine, V1.format(root="/docker/abc"))
    counter(machine, "cg/memory/inner/memory.oom_control", "oom_kill 1\n")

    assert oom_kills(machine) == 1


def test_without_a_counting_cgroup_the_machine_counts(machine: Path):
    (machine / "self/cgroup").write_text("0::/\n")
    mounted(machine, V2)

    assert oom_kills(machine) == 9


def test_where_nothing_tells_nothing_is_told(tmp_path: Path):
    assert oom_kills(tmp_path) is None


def test_this_machine_is_read_without_an_error():
    kills = oom_kills()

    assert kills is None or kills >= 0
