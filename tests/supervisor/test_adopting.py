"""Which of the runs that a dead supervisor has left are gone on with."""

import os
from dataclasses import replace

import pytest

from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec, Config
from oxtrio.policy.versions import version_of
from oxtrio.process.past import PastRun
from oxtrio.process.record import Record
from oxtrio.supervisor.adopting import estate_of, presumed
from oxtrio.supervisor.remembered import Applied, Inherited, Remembered, RememberedInstance
from oxtrio.system.proc import boot_id, stat_of

A = AppSpec(name="a", command=("a",), working_dir="/")
ENVIRON = Inherited.of({"X": "1"})
OVER = Record(
    run_id="1",
    name="a",
    boot_id=boot_id(),
    stop_signal=15,
    stop_timeout=3,
    app="a",
    pid=1 << 30,  # beyond what there can be
    version=version_of(A),
    environment=ENVIRON.version,
    status=256,
)


def living() -> Record:
    """It has this process for its leader."""
    stat = stat_of(os.getpid())
    assert stat is not None
    return replace(OVER, run_id="2", pid=stat.pid, started=stat.started, status=None)


def remembered(**changes: object) -> Remembered:
    instance = RememberedInstance(app="a", number=0, wanted=True, state="running")
    return Remembered(
        boot_id=boot_id(),
        apps=(("a", version_of(A)),),
        specs=(Applied(version=version_of(A), spec=A),),
        environments=(ENVIRON,),
        instances=(replace(instance, **changes),),  # type: ignore[arg-type]
    )


def test_what_lives_is_gone_on_with() -> None:
    estate = estate_of(remembered(), [living()])

    assert estate.is_alive
    assert estate.run_ids == {"2"}
    assert estate.exits == {}


def test_so_is_what_has_ended_as_long_as_nobody_remembers_its_end() -> None:
    estate = estate_of(remembered(), [OVER])

    assert not estate.is_alive
    assert estate.exits == {OVER.pid: 256}


def test_what_is_remembered_already_is_not_decided_twice() -> None:
    past = PastRun(exit=Exit(code=1), at=0, why="", lasted=0, run_id="1")

    assert estate_of(remembered(past=past), [OVER]).runs == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"boot_id": "another"},
        {"pid": 0},
        {"version": "x"},
        {"environment": "x"},
        {"newcomer": True},
    ],
    ids=str,
)
def test_of_what_is_not_known_well_enough_nothing_is_gone_on_with(
    changes: dict[str, object],
) -> None:
    record = replace(OVER, **changes)  # type: ignore[arg-type]

    assert estate_of(remembered(), [record]).runs == ()


def test_what_is_not_wanted_any_more_is_not_gone_on_with() -> None:
    assert estate_of(remembered(wanted=False), [living()]).runs == ()


def test_where_nothing_is_remembered_what_lives_as_the_oxfile_says_was_wanted() -> None:
    config = Config(files=("x",), apps=(A,))
    changed = replace(config, apps=(replace(A, command=("b",)),))

    found = presumed([living(), replace(OVER, instance=1)], config, {"Y": "2"})

    assert [(each.app, each.number) for each in found.instances] == [("a", 0)]
    assert found.environ(ENVIRON.version) == {"Y": "2"}
    assert estate_of(found, [living()]).run_ids == {"2"}
    assert presumed([living()], changed, {}).instances == ()
