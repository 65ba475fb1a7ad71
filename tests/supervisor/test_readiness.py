"""An app is up when it says so: by sd_notify, by a line of output, by its check; by all of them."""

from dataclasses import replace
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest
import trio

from oxtrio.model.order import Verb
from oxtrio.model.spec import (
    AppSpec,
    Condition,
    HealthSpec,
    ReadySpec,
    ReloadManner,
    RestartSpec,
    StopSpec,
)
from oxtrio.model.state import State
from tests.engine import DEADLINE, Engine, an_app, engine, eventually, is_alive, kill, program
from tests.supervisor.serving import Told, probing, reload, somewhere

pytestmark = pytest.mark.slow

WAYS = pytest.mark.parametrize("steered", [True, False], ids=["steered", "shared"])
NOTIFY = ReadySpec(notify=True, timeout=DEADLINE)
LINE = ReadySpec(log_line="Started serving", timeout=DEADLINE)
HELD = HealthSpec(command="test -e well", interval=0.05, timeout=5.0, unhealthy_threshold=2)
"""It is well while the file is there."""


def says(*words: str, name: str = "a", **changes: object) -> AppSpec:
    """A program that talks to its NOTIFY_SOCKET."""
    return an_app(name, program("notify.py", *words), **{"ready": NOTIFY, **changes})


def ready_at_once(*words: str, **changes: object) -> AppSpec:
    return says("--ready-after", "0", *words, **changes)


async def is_state(here: Engine, state: State, name: str = "a") -> None:
    await here.until(lambda: here.instance(name).state is state)


# READY, STATUS and the rest of what is said.


async def test_it_is_up_when_it_says_that_it_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    wait = f"while [ ! -e {flag} ]; do sleep 0.01; done"
    command = f"{wait}; exec {' '.join(program('notify.py', '--ready-after', '0'))}"
    async with engine(tmp_path, an_app("a", command, ready=NOTIFY)) as here:
        await here.order(Verb.START, wait=False)
        await is_state(here, State.STARTING)
        flag.touch()
        await here.start()

        assert here.told("a") == [("a", "starting"), ("a", "running")]


async def test_what_it_says_of_itself_is_in_its_status(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--status", "3 of 4 workers")) as here:
        await here.start()

        assert here.status("a").said == "3 of 4 workers"
        await here.order(Verb.STOP, "a")
        assert here.status("a").said is None


async def test_where_it_can_be_heard_is_in_its_environment_and_in_no_other(
    tmp_path: Path,
) -> None:
    watched = replace(NOTIFY, watchdog=30.0)
    with_socket = ready_at_once("--print-environ", ready=watched)
    without = says("--print-environ", name="b", ready=ReadySpec(start=0.0))
    async with engine(tmp_path, with_socket, without) as here:
        outer = {"NOTIFY_SOCKET": "/run/outer", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
        here.supervisor.environ = {**here.supervisor.environ, **outer}
        await here.start()
        await eventually(lambda: "WATCHDOG_PID" in here.log("b"))

        assert "NOTIFY_SOCKET=@" in here.log("a")
        assert "WATCHDOG_USEC=30000000" in here.log("a")
        assert "WATCHDOG_PID=-" in here.log("a")
        assert here.log("b").startswith("NOTIFY_SOCKET=-\nWATCHDOG_USEC=-\nWATCHDOG_PID=-\n")


async def test_descriptors_are_not_kept_and_that_is_said_politely(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--fdstore")) as here:
        await here.start()

        assert here.status("a").said == "oxtrio keeps no descriptors (FDSTORE=1)"
        await eventually(lambda: "end of file" in here.log("a"))


async def test_who_waits_until_all_was_heard_is_answered(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--barrier")) as here:
        await here.start()

        assert "barrier answered" in here.log("a")


async def test_each_run_is_heard_by_itself(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--print-environ", "--status", "one")) as here:
        await here.start()
        report = await reload(here, ready_at_once("--print-environ", "--status", "two"))

        assert report.ok
        assert here.status("a").said == "two"
        sockets = {line for line in here.log("a").splitlines() if line.startswith("NOTIFY_SOCKET")}
        assert len(sockets) == 2


async def test_what_waits_for_it_starts_when_it_has_said_so(tmp_path: Path) -> None:
    user = an_app("b", ("/bin/sleep", "600"), depends_on=(("a", None),))
    readies = an_app("c", ("/bin/sleep", "600"), depends_on=(("a", Condition.READY),))
    async with engine(tmp_path, says("--ready-after", "0.5"), user, readies) as here:
        await here.start()

        told = here.told()
        for name in ("b", "c"):
            assert told.index(("a", "running")) < told.index((name, "starting"))


# Too late.


async def test_one_that_never_says_so_has_failed_after_its_start_period(tmp_path: Path) -> None:
    late = replace(NOTIFY, period=0.3)
    app = says(ready=late, restart=RestartSpec(limit=1, delay=0.05))
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)
        assert "no READY=1 within 0.3 s" in report.failures[0].reason
        await is_state(here, State.CRASHED)

        assert here.instance("a").failures == 2


async def test_one_that_asks_for_more_time_gets_it(tmp_path: Path) -> None:
    patient = replace(NOTIFY, period=3.0)
    app = says("--extend", "20000", "--ready-after", "3.5", ready=patient)
    async with engine(tmp_path, app, deadline=2 * DEADLINE) as here:
        await here.start()

        assert here.status("a").restarts == 0


async def test_one_whose_watchdog_falls_silent_is_restarted(tmp_path: Path) -> None:
    watched = replace(NOTIFY, watchdog=0.4)
    app = ready_at_once("--watchdog", "0.05", "--pings", "4", ready=watched)
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("a")
        await here.until(lambda: here.instance("a").restarts == 1)
        await is_state(here, State.RUNNING)

        past = here.instance("a").past
        assert past is not None
        assert past.fault == "no WATCHDOG=1 for 0.4 s"
        assert here.pid("a") != pid


async def test_one_whose_watchdog_speaks_is_left_alone(tmp_path: Path) -> None:
    watched = replace(NOTIFY, watchdog=1.0)
    async with engine(tmp_path, ready_at_once("--watchdog", "0.05", ready=watched)) as here:
        await here.start()
        pid = here.pid("a")
        await trio.sleep(1.5)

        assert (here.pid("a"), here.status("a").restarts) == (pid, 0)


async def test_one_that_is_paused_is_not_expected_to_speak(tmp_path: Path) -> None:
    watched = replace(NOTIFY, watchdog=0.6)
    async with engine(tmp_path, ready_at_once("--watchdog", "0.05", ready=watched)) as here:
        await here.start()
        pid = here.pid("a")
        await here.order(Verb.PAUSE, "a")
        await trio.sleep(1.5)
        await here.order(Verb.RESUME, "a")
        await trio.sleep(1.0)

        assert (here.pid("a"), here.status("a").restarts) == (pid, 0)


async def test_one_that_asks_to_be_taken_for_failed_is_restarted(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--trigger")) as here:
        await here.order(Verb.START)
        await here.until(lambda: here.instance("a").restarts >= 1)

        past = here.instance("a").past
        assert past is not None
        assert past.fault == "it asked for it (WATCHDOG=trigger)"


async def test_one_that_says_it_ends_and_does_not_is_ended(tmp_path: Path) -> None:
    app = ready_at_once("--send", "STOPPING=1", stop=StopSpec(timeout=0.3))
    async with engine(tmp_path, replace(app, restart=RestartSpec(always=False))) as here:
        await here.order(Verb.START)
        await is_state(here, State.CRASHED)

        assert here.instance("a").reason == "still there 0.3 s after STOPPING=1"


# The main process.


def handed_over(folder: Path, *words: str, **changes: object) -> AppSpec:
    """A shell starts the program that says it is the main process, and ends when it is told."""
    server = " ".join(program("notify.py", "--ready-after", "0", "--main-pid", *words))
    script = f"{server} & while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 0"
    return an_app("a", script, ready=NOTIFY, **changes)


async def outlive(here: Engine) -> tuple[int, int]:
    """The leader that has ended, and the main process that goes on."""
    await here.start()
    leader = here.instance("a").run
    assert leader is not None
    await here.until(lambda: here.pid("a") != leader.child.pid)
    main = here.pid("a")
    (here.folder / "go").touch()
    await eventually(lambda: not is_alive(leader.child.pid))
    return leader.child.pid, main


async def test_a_run_goes_on_with_the_process_that_it_has_named(tmp_path: Path) -> None:
    async with engine(tmp_path, handed_over(tmp_path)) as here:
        _, main = await outlive(here)
        await trio.sleep(0.2)

        assert (here.pid("a"), here.status("a").status) == (main, State.RUNNING)
        assert here.status("a").restarts == 0


async def test_the_end_of_the_main_process_is_the_end_of_the_run(tmp_path: Path) -> None:
    app = handed_over(tmp_path, restart=RestartSpec(delay=60.0))
    async with engine(tmp_path, app) as here:
        _, main = await outlive(here)
        kill(main, SIGKILL)
        await is_state(here, State.BACKOFF)

        last = here.status("a").exit
        assert last is not None
        assert (last.code, last.signal) == (None, "SIGKILL")


async def test_the_exit_code_of_the_main_process_is_known(tmp_path: Path) -> None:
    app = handed_over(tmp_path, "--exit-after", "0.5")
    async with engine(tmp_path, app) as here:
        await outlive(here)
        await is_state(here, State.EXITED)

        last = here.status("a").exit
        assert last is not None
        assert (last.code, last.reason) == (0, "exit code 0")


@pytest.mark.parametrize("leader", ["gone", "there"])
async def test_a_stop_is_told_to_the_main_process(tmp_path: Path, leader: str) -> None:
    async with engine(tmp_path, handed_over(tmp_path)) as here:
        await here.start()
        run = here.instance("a").run
        assert run is not None
        await here.until(lambda: here.pid("a") != run.child.pid)
        main = here.pid("a")
        await eventually(lambda: "said all" in here.log("a"))
        if leader == "gone":
            await outlive(here)
        await here.order(Verb.STOP, "a")

        assert not is_alive(main)
        assert here.log("a").splitlines()[-1] == "stopping"
        assert here.status("a").status is State.STOPPED


async def test_a_signal_is_sent_to_the_main_process(tmp_path: Path) -> None:
    async with engine(tmp_path, handed_over(tmp_path)) as here:
        _, main = await outlive(here)
        report = await here.order(Verb.SIGNAL, "a", signal="KILL")

        assert report.ok
        await eventually(lambda: not is_alive(main))


async def test_one_that_goes_into_the_background_by_a_reload_is_taken_over_from(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path, handed_over(tmp_path)) as here:
        _, main = await outlive(here)
        report = await reload(here, ready_at_once())

        assert report.ok
        assert not is_alive(main)
        assert len(here.marked()) == 1


async def test_a_process_of_somebody_else_is_no_main_process(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once("--send", "MAINPID=1")) as here:
        await here.start()
        run = here.instance("a").run
        assert run is not None
        await eventually(lambda: "said all" in here.log("a"))
        await trio.sleep(0.1)

        assert here.pid("a") == run.child.pid


# A line of output.


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_line_in_either_stream_makes_it_ready(tmp_path: Path, stream: str) -> None:
    to = "" if stream == "stdout" else " >&2"
    command = f"echo Starting{to}; sleep 0.1; echo 'INFO: Started serving on 80'{to}; sleep 600"
    async with engine(tmp_path, an_app("a", command, ready=LINE)) as here:
        await here.start()

        assert here.log("a").splitlines()[-1] == "INFO: Started serving on 80"


async def test_a_line_may_come_in_pieces(tmp_path: Path) -> None:
    pieces = "printf 'INFO: Star'; sleep 0.2; printf 'ted ser'; sleep 0.2; echo ving; sleep 600"
    async with engine(tmp_path, an_app("a", pieces, ready=LINE)) as here:
        await here.start()

        assert here.log("a") == "INFO: Started serving\n"


async def test_a_line_of_two_streams_is_no_line(tmp_path: Path) -> None:
    mixed = "printf 'Started '; sleep 0.1; echo serving >&2; sleep 600"
    late = replace(LINE, period=0.5)
    app = an_app("a", mixed, ready=late, restart=RestartSpec(always=False))
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)

        assert "no line matched 'Started serving' within 0.5 s" in report.failures[0].reason


async def test_a_line_that_was_written_long_ago_was_seen(tmp_path: Path) -> None:
    """The first thing that it does; nobody may miss it."""
    async with engine(tmp_path, an_app("a", "echo Started serving; sleep 600", ready=LINE)) as here:
        for _ in range(10):
            await here.start()
            await here.order(Verb.STOP, "a")


async def test_a_line_of_the_run_before_says_nothing_of_this_one(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    command = f"[ -e {flag} ] || echo Started serving; sleep 600"
    app = an_app("a", command, ready=LINE)
    async with engine(tmp_path, app) as here:
        await here.start()
        flag.touch()
        kill(here.pid("a"))
        await here.until(lambda: here.instance("a").restarts == 1)
        await is_state(here, State.STARTING)
        await trio.sleep(0.3)

        assert here.instance("a").state is State.STARTING


# All of them.


async def test_its_check_and_what_it_says_must_both_pass(tmp_path: Path) -> None:
    """First the one, then the other."""
    app = says("--ready-after", "0.5", health=HELD, working_dir=str(tmp_path))
    async with engine(tmp_path, app) as here, probing(here):
        (tmp_path / "well").touch()
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.status("a").last_health == "exit code 0")
        assert here.instance("a").state is State.STARTING
        await is_state(here, State.RUNNING)
        await here.order(Verb.STOP, "a")
        (tmp_path / "well").unlink()
        await here.order(Verb.START, wait=False)
        await eventually(lambda: here.log("a").count("ready") == 2)
        assert here.instance("a").state is State.STARTING
        (tmp_path / "well").touch()
        await is_state(here, State.RUNNING)


async def test_one_that_falls_ill_before_it_says_ready_is_restarted_and_watched_on(
    tmp_path: Path,
) -> None:
    app = says("--ready-after", "1", health=HELD, working_dir=str(tmp_path))
    async with engine(tmp_path, app) as here, probing(here):
        (tmp_path / "well").touch()
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.status("a").last_health == "exit code 0")
        (tmp_path / "well").unlink()
        await here.until(lambda: here.instance("a").restarts == 1)
        (tmp_path / "well").touch()
        await is_state(here, State.RUNNING)
        (tmp_path / "well").unlink()
        await here.until(lambda: ("a", "unhealthy") in here.told())
        (tmp_path / "well").touch()


async def test_a_line_a_notice_and_a_check_must_all_come(tmp_path: Path) -> None:
    everything = ReadySpec(notify=True, log_line="Started serving", timeout=DEADLINE)
    words = ("--ready-after", "0.1", "--log-after", "0.1")
    app = says(*words, ready=everything, health=HELD, working_dir=str(tmp_path))
    async with engine(tmp_path, app) as here, probing(here):
        await here.order(Verb.START, wait=False)
        await eventually(lambda: "said all" in here.log("a"))
        assert here.instance("a").state is State.STARTING
        (tmp_path / "well").touch()
        await is_state(here, State.RUNNING)


# Reload.


async def test_one_without_an_address_overlaps_where_it_says_when_it_is_ready(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path, ready_at_once("--status", "1")) as here:
        await here.start()
        assert here.status("a").reload == ReloadManner.OVERLAP
        old, told = here.pid("a"), Told()
        here.take(says("--ready-after", "0.3", "--status", "2"))
        report = await here.order(Verb.RELOAD, tell=told)

        assert (report.ok, report.notes) == (True, ())
        assert "switched" in told.of("a")
        assert not is_alive(old)
        assert here.status("a").said == "2"


@pytest.mark.parametrize("way", ["notify", "log line"])
async def test_a_newcomer_that_does_not_say_so_is_rejected(tmp_path: Path, way: str) -> None:
    wanted = NOTIFY if way == "notify" else LINE
    words, ready = ("--ready-after", "0", "--log-after", "0"), replace(wanted, period=0.4)
    async with engine(tmp_path, says(*words, ready=wanted)) as here:
        await here.start()
        pid = here.pid("a")
        report = await reload(here, says(ready=ready))

        expected = "no READY=1 within 0.4 s" if way == "notify" else "no line matched"
        assert expected in report.failures[0].reason
        assert here.pid("a") == pid
        assert len(here.marked()) == 1


async def test_one_that_reloads_itself_says_so_and_stays_up(tmp_path: Path) -> None:
    async with engine(tmp_path, ready_at_once()) as here:
        await here.start()
        pid = here.pid("a")
        await here.order(Verb.SIGNAL, "a", signal=SIGHUP.name)
        await trio.sleep(0.2)

        assert (here.pid("a"), here.status("a").status) == (pid, State.RUNNING)


@WAYS
async def test_a_held_app_may_say_itself_when_it_is_ready(tmp_path: Path, steered: bool) -> None:
    listen = somewhere()
    app = says("--ready-after", "0.3", listen=(listen,))
    async with engine(tmp_path, app, steered=steered) as here:
        await here.start()
        pid = here.pid("a")
        report = await reload(here)

        assert report.ok
        assert here.pid("a") != pid
