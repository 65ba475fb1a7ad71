"""Memory and CPU of everything that an app has started."""

import pytest

from tests.e2e.kit import PYTHON, Ox

pytestmark = pytest.mark.slow

HOG = """
import os, sys, time
if os.path.exists("fed"):
    time.sleep(3600)
open("fed", "w").close()
if sys.argv[1] == "child" and os.fork():
    time.sleep(3600)
hoard = bytearray(os.urandom(1)) * (80 << 20)
time.sleep(3600)
"""


@pytest.mark.parametrize("who", ["itself", "child"])
def test_over_the_memory_limit_an_app_is_restarted_with_the_reason(ox: Ox, who: str):
    ox.write(HOG, "hog.py")
    ox.up(
        f'[processes.a]\ncommand = "{PYTHON} hog.py {who}"\nstart_secs = 0\nrestart_delay_ms = 1\n'
        "[processes.a.limits]\nmemory_mb = 60\n"
    )
    old = ox.pid("a")

    row = ox.eventually(lambda: (r := ox.rows()["a"])["restarts"] and r, "the restart")

    ox.becomes("a", "running", after=old)
    assert row["restarts"] == 1
    assert "memory" in ox.done("events")
    assert "memory" in ox.done("why", "a")
    assert "60" in ox.done("why", "a")


def test_the_older_name_of_the_limit_does_the_same(ox: Ox):
    ox.write(HOG, "hog.py")
    ox.up(
        f'[processes.a]\ncommand = "{PYTHON} hog.py itself"\nstart_secs = 0\nrestart_delay_ms = 1\n'
        "[processes.a.resource_limits]\nmax_memory_mb = 60\nmax_open_files = 99\n"
    )

    ox.eventually(lambda: ox.rows()["a"]["restarts"] == 1, "the restart")


def test_memory_that_forked_workers_share_counts_once(ox: Ox):
    ox.write(
        "import os, time\nhoard = bytearray(os.urandom(1)) * (30 << 20)\n"
        "for _ in range(4):\n    if os.fork() == 0:\n        break\n"
        "open(f'up{os.getpid()}', 'w').close()\ntime.sleep(3600)\n",
        "workers.py",
    )
    ox.up(
        f'[processes.a]\ncommand = "{PYTHON} workers.py"\nstart_secs = 0\n'
        "[processes.a.limits]\nmemory_mb = 100\n"
    )
    ox.eventually(lambda: len(list(ox.folder.glob("up*"))) == 5, "all workers")

    # Two samples later it is still the same.
    ox.eventually(lambda: ox.rows()["a"]["uptime_secs"] > 5, "some samples")

    assert ox.rows()["a"]["restarts"] == 0


def test_cpu_over_the_limit_for_the_whole_window_restarts(ox: Ox):
    ox.up(
        "[processes.a]\n"
        "command = 'test -e spun && exec sleep 3600; touch spun; while :; do :; done'\n"
        "start_secs = 0\nrestart_delay_ms = 1\n"
        "[processes.a.limits]\ncpu_percent = 5\ncpu_window_secs = 2\n"
    )

    ox.eventually(lambda: ox.rows()["a"]["restarts"] == 1, "the restart")

    assert "cpu" in ox.done("events").lower()


def test_status_measures_everything_that_the_app_has_started(ox: Ox):
    ox.write(
        "import os, time\nif os.fork() == 0:\n    hoard = bytearray(os.urandom(1)) * (50 << 20)\n"
        "    open('up', 'w').close()\ntime.sleep(3600)\n",
        "family.py",
    )
    ox.up(f'[processes.a]\ncommand = "{PYTHON} family.py"\nstart_secs = 0\n')
    ox.eventually((ox.folder / "up").exists, "the child")

    row = ox.ask("/v1/status?fresh=1&name=a")[0]

    assert row["memory_bytes"] > 50 << 20
