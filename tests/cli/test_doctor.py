"""`doctor` says what is in force, what is weaker, and what is wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oxtrio import __version__
from oxtrio.cli import diagnosing
from oxtrio.cli.diagnosing import Answer
from oxtrio.errors import DaemonUnreachable, NotRunning, Refused
from oxtrio.model.diagnosis import Diagnosis, Verdict, good, weaker
from oxtrio.model.order import SupervisorStatus
from oxtrio.project.folders import RunningProject
from oxtrio.startup import examination

STATUS = SupervisorStatus(
    version=__version__,
    pid=4711,
    project="/srv/oxfile.toml",
    id="srv-0",
    files=("/srv/oxfile.toml",),
    started_at="2025-01-01T00:00:00+01:00",
    foreground=True,
    stopping=False,
    containment="cgroup /sys/fs/cgroup/oxtrio-srv-0",
    steered=True,
)

Doctor = Callable[..., dict[str, Diagnosis]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a valid oxfile, in which we are."""
    (tmp_path / "oxfile.toml").write_text('[processes.a]\ncommand = "true"\n')
    monkeypatch.chdir(tmp_path)
    for key in ("PWD", "OXTRIO_HOME"):
        monkeypatch.setitem(diagnosing.environ, key, str(tmp_path))  # type: ignore[index]
    monkeypatch.setattr(examination, "examine", lambda environ, status: iter([good("os", "fine")]))
    return tmp_path


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """What comes of asking the supervisor."""
    return lambda answer: monkeypatch.setattr(diagnosing, "ask", lambda where: answer)


@pytest.fixture
def doctor(oxtrio, project: Path) -> Doctor:
    """Runs it: what it says by subject, its exit code under `""`."""

    def call(*words: str) -> dict[str, Diagnosis]:
        code, out, _ = oxtrio("doctor", "--json", *words)
        rows = [Diagnosis(**{**row, "verdict": Verdict(row["verdict"])}) for row in json.loads(out)]
        assert code == any(row.verdict is Verdict.WRONG for row in rows)
        return {row.subject: row for row in rows}

    return call


def test_nothing_is_wrong_where_nothing_runs(doctor: Doctor):
    found = doctor()

    assert {row.verdict for row in found.values()} == {Verdict.GOOD}
    assert found["oxfile"].text == "oxfile.toml is valid, with 1 app"
    assert found["supervisor"].text == "none runs; what follows would be in force"


def test_a_supervisor_that_answers_is_well(doctor: Doctor, says):
    says(Answer(STATUS))

    found = doctor()

    assert found["supervisor"].text == f"pid 4711 answers, version {__version__}"
    assert found["keeper"].verdict is Verdict.GOOD


def test_a_supervisor_of_another_version_is_to_be_upgraded(doctor: Doctor, says):
    says(Answer(replace(STATUS, version="0.0.1")))

    assert doctor()["supervisor"].hint == "oxtrio upgrade"


def test_what_the_supervisor_warns_of_is_wrong(doctor: Doctor, says):
    says(Answer(replace(STATUS, warnings=("a.log cannot be written",))))

    assert doctor()["supervisor"].text == "a.log cannot be written"


def test_without_a_keeper_a_crash_needs_a_start(doctor: Doctor, says):
    says(Answer(replace(STATUS, foreground=False)))

    keeper = doctor()["keeper"]

    assert (keeper.verdict, "oxtrio start" in keeper.text) == (Verdict.WEAKER, True)


def test_one_that_does_not_answer_is_looked_at(
    doctor: Doctor, says, monkeypatch: pytest.MonkeyPatch
):
    says(Answer(trouble=DaemonUnreachable("the supervisor (pid 1) does not answer")))
    monkeypatch.setattr(diagnosing.Folders, "is_served", property(lambda where: True))
    monkeypatch.setattr(
        diagnosing,
        "running",
        lambda environ: [
            RunningProject(id=each, name=None, identity="", files=(), pid=1)
            for each in (diagnosing.Target().folders().id,)
        ],
    )

    found = doctor()["supervisor"]

    assert found.verdict is Verdict.WRONG
    assert found.text.startswith("the supervisor (pid 1) does not answer: its state is ")


def test_one_whose_keeper_is_about_to_start_it_again_is_not_well(
    doctor: Doctor, says, monkeypatch: pytest.MonkeyPatch
):
    says(Answer(trouble=NotRunning("not running")))
    monkeypatch.setattr(diagnosing.Folders, "is_kept", property(lambda where: True))

    assert doctor()["supervisor"].hint == "oxtrio start tries it now"


def test_any_other_trouble_is_told_as_it_is(doctor: Doctor, says):
    says(Answer(trouble=Refused("permission denied", "sudo")))

    assert (doctor()["supervisor"].text, doctor()["supervisor"].hint) == (
        "permission denied",
        "sudo",
    )


def test_a_broken_oxfile_is_wrong_and_the_rest_is_still_looked_at(doctor: Doctor, project: Path):
    (project / "oxfile.toml").write_text("[processes.a]\ncomand = 1\n")

    found = doctor()

    assert found["oxfile"].verdict is Verdict.WRONG
    assert "oxfile.toml:" in found["oxfile"].text
    assert found["os"].verdict is Verdict.GOOD


def test_without_an_oxfile_the_machine_is_looked_at(doctor: Doctor, project: Path):
    (project / "oxfile.toml").unlink()

    found = doctor()

    assert found["oxfile"].verdict is Verdict.WEAKER
    assert set(found) == {"oxfile", "os"}


def test_folders_that_cannot_be_written_are_wrong(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(diagnosing.os, "access", lambda path, mode: False)

    found = doctor()

    assert {found[each].verdict for each in ("state", "runtime", "logs")} == {Verdict.WRONG}


@pytest.mark.parametrize(
    ("free", "verdict"), [(0, Verdict.WRONG), (50, Verdict.WEAKER), (500, Verdict.GOOD)]
)
def test_a_full_disk_is_wrong(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict
):
    class Found:
        f_bavail, f_frsize, f_files, f_favail = free, 1 << 20, 0, 0

    monkeypatch.setattr(diagnosing.os, "statvfs", lambda path: Found)

    assert doctor()["logs"].verdict is verdict


def test_people_get_a_mark_per_subject_and_what_to_do_below(
    oxtrio, project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        examination, "examine", lambda environ, status: [weaker("clock", "slow", "wind it up")]
    )

    code, out, err = oxtrio("doctor")

    assert (code, err) == (0, "")
    assert "✓ oxfile      oxfile.toml is valid, with 1 app\n" in out
    assert "! clock       slow\n              → wind it up\n" in out
