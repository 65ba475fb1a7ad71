"""What a machine has to offer, and what to do where that is little."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from oxtrio.model.diagnosis import Verdict
from oxtrio.startup import examination
from oxtrio.system.cgroup import Hierarchy
from oxtrio.system.delegation import Ground, NoGround
from tests.cli.test_doctor import STATUS

NO_GROUND = NoGround("/sys/fs/cgroup is mounted read-only", "mount it")


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch):
    """What is found of cgroups."""
    return lambda found: monkeypatch.setattr(examination, "find_ground", lambda: found)


def test_every_subject_is_looked_at_and_none_twice():
    subjects = [each.subject for each in examination.examine({}, None)]

    assert len(subjects) == len(set(subjects)) == 9


def test_what_the_supervisor_says_counts_more_than_what_is_found(ground):
    ground(NO_GROUND)

    found = examination.containment({}, STATUS)

    assert (found.verdict, found.text) == (Verdict.GOOD, STATUS.containment)


def test_without_a_supervisor_it_is_said_what_would_be(ground):
    ground(Ground(Hierarchy("/cg", "/"), "/cg/mine"))

    found = examination.containment({}, None)

    assert (found.verdict, found.text) == (Verdict.GOOD, "cgroup, one for each run, below /cg/mine")


def test_containment_without_cgroups_is_weaker_with_the_reason_and_a_way_out(ground):
    ground(NO_GROUND)

    found = examination.containment({}, None)

    assert found.verdict is Verdict.WEAKER
    assert "subreaper and descent (/sys/fs/cgroup is mounted read-only)" in found.text
    assert found.hint == "mount it"


def test_without_birthmarks_either_it_is_said_what_gets_away(
    ground, monkeypatch: pytest.MonkeyPatch
):
    ground(NO_GROUND)
    monkeypatch.setattr(examination, "has_birthmarks", lambda: False)

    assert "wipes its environment" in examination.containment({}, None).text


def test_cgroups_that_were_turned_off_can_be_turned_on(ground):
    ground(Ground(Hierarchy("/cg", "/"), "/cg/mine"))

    found = examination.containment({"OXTRIO_CGROUPS": "off"}, None)

    assert (found.verdict, found.hint) == (Verdict.WEAKER, "unset OXTRIO_CGROUPS")


def test_pid_1_takes_in_every_orphan():
    assert "PID 1" in examination.reaper(1).text


def test_without_a_subreaper_containment_is_weaker(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examination, "become_subreaper", lambda: False)

    assert examination.reaper(None).verdict is Verdict.WEAKER


@pytest.mark.parametrize(("steered", "verdict"), [(True, Verdict.GOOD), (False, Verdict.WEAKER)])
def test_shared_sockets_are_weaker(steered: bool, verdict: Verdict):
    assert examination.steering({}, replace(STATUS, steered=steered)).verdict is verdict


def test_steering_that_was_turned_off_can_be_turned_on():
    assert examination.steering({"OXTRIO_STEERING": "off"}, None).hint == "unset OXTRIO_STEERING"


def test_without_pidfds_signals_go_by_number(monkeypatch: pytest.MonkeyPatch):
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(examination.os, "pidfd_open", missing)

    assert examination.pidfds().verdict is Verdict.WEAKER


def test_the_descriptors_of_a_supervisor_are_counted():
    found = examination.descriptors(os.getpid())

    assert " in use" in found.text


def test_few_descriptors_are_weaker(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examination.resource, "getrlimit", lambda which: (100, 256))

    assert examination.descriptors(None).verdict is Verdict.WEAKER


def test_root_without_its_capabilities_is_weaker(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examination.os, "geteuid", lambda: 0)
    monkeypatch.setattr(examination, "_capabilities", lambda: 0)
    assert "CAP_SETUID" in examination.rights().text

    monkeypatch.setattr(examination, "_capabilities", lambda: (1 << 40) - 1)
    assert examination.rights().verdict is Verdict.GOOD


def test_a_normal_user_is_nothing_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examination.os, "geteuid", lambda: 1000)

    assert examination.rights().verdict is Verdict.GOOD


def test_without_proc_no_run_is_recognised(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examination, "boot_id", lambda: "")

    assert examination.clock().verdict is Verdict.WRONG


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.slow
def test_what_a_silent_supervisor_does_is_told(sleeper: subprocess.Popen[bytes]):
    sleeper.send_signal(19)
    os.waitpid(sleeper.pid, os.WUNTRACED)

    assert examination.state_of(sleeper.pid) == (
        "it is stopped (SIGSTOP)",
        f"kill -CONT {sleeper.pid}",
    )


def test_one_that_is_gone_is_to_be_started():
    assert examination.state_of(1 << 30) == ("it is gone", "oxtrio start")
