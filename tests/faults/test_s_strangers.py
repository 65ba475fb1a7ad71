"""Other users of the machine: what they can reach, and what they can make root do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.kit import Ox, needs_root
from tests.faults.invariants import cpu_ticks

pytestmark = [pytest.mark.slow, needs_root]

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
ASKING = """
import ctypes, os, socket, sys

folder, times, *name = sys.argv[1:]
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
if name == ["root"]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(4, 1)  # dumpable again, so that it may write the map
    if libc.unshare(0x10000000):
        sys.exit("no user namespaces here")
    with open("/proc/self/uid_map", "w") as file:
        file.write("0 65534 1")
    assert os.geteuid() == 0
got = set()
for _ in range(int(times)):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        try:
            client.connect(folder + "/control.sock")
            client.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            got.add(str(client.recv(100)))
        except OSError as error:
            got.add(type(error).__name__)
print(*got)
"""
IN_THE_WAY = {"PermissionError"}
CUT_OFF = {"b''", "ConnectionResetError", "BrokenPipeError"}


def told(ox: Ox, *name: str, times: int = 1) -> set[str]:
    """What a stranger who asks so many times is told, or what stops them."""
    argv = [sys.executable, "-IS", "-c", ASKING, str(ox.runtime), str(times), *name]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if "no user namespaces" in ended.stderr:
        pytest.skip("no user namespaces here")
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def open_to_all(*paths: Path) -> None:
    """As somebody may do who wants to be helped."""
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o666)


def test_s01_s14_a_stranger_is_kept_out_by_the_folder_and_by_the_socket(ox: Ox):
    ox.up(SLEEPER)
    supervisor = ox.supervisor()
    runtime = ox.runtime
    before = cpu_ticks(supervisor.pid)

    assert told(ox) == IN_THE_WAY
    open_to_all(ox.folder, ox.home, runtime.parent, runtime)
    assert told(ox, times=2000) == IN_THE_WAY

    assert cpu_ticks(supervisor.pid) - before < 50, "the kernel refuses them, not the supervisor"


def test_s02_who_gets_through_all_the_same_does_not_get_one_byte(ox: Ox):
    """Whatever they call themselves in a user namespace of their own."""
    ox.up(SLEEPER)
    runtime = ox.runtime
    open_to_all(ox.folder, ox.home, runtime.parent, runtime, runtime / "control.sock")

    assert told(ox, times=20) <= CUT_OFF
    assert ox.rows()["a"]["status"] == "running"
    assert told(ox, "root", times=20) <= CUT_OFF


def test_s04_a_link_that_a_stranger_has_put_where_a_log_will_be_is_not_followed(ox: Ox):
    for folder in (ox.folder, logs := ox.folder / "logs"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    victim = ox.write("precious\n", "victim")
    (logs / "a.log").symlink_to(victim)
    os.lchown(logs / "a.log", 65534, 65534)
    logs.chmod(0o777)

    ox.up(
        "[processes.a]\ncommand = 'echo evil; exec sleep 3600'\nlog_file = 'logs/a.log'\n"
        "start_secs = 0\n"
    )

    ox.eventually(lambda: "a.log" in ox("status").stderr, "a warning")
    assert victim.read_text() == "precious\n"
    assert ox.rows()["a"]["status"] == "running"
    assert "evil" in ox.done("logs", "a"), "what it said is still in memory"


def test_s08_the_groups_of_root_are_not_those_of_an_app_with_a_user(ox: Ox):
    ox.folder.chmod(0o755)
    ox.write(
        "[processes.a]\ncommand = '(id -u; id -g; id -G; grep -i Cap[PEI] /proc/self/status)'\n"
        "user = 'nobody'\nrestart_on_exit = false\n"
    )

    ox.done("start", prefix=("setpriv", "--groups", "0,4,27"))

    uid, gid, groups, *capabilities = ox.done("logs", "a").splitlines()
    assert (uid, gid, groups) == ("65534", "65534", "65534")
    assert {int(each.split()[1], 16) for each in capabilities} == {0}
