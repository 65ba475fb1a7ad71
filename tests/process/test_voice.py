"""What a run must have said by when, in virtual time."""

import pytest
import trio

from oxtrio.model.spec import HealthSpec, ReadySpec, StopSpec
from oxtrio.model.state import State
from tests.engine import an_app
from tests.process.fakes import Script, a_stage

Clock = trio.testing.MockClock


async def test_one_that_is_paused_is_not_taken_for_late(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    """Nor does anybody look at it all the time: then no time would ever pass here."""
    spec = an_app("a", ("x",), ready=ReadySpec(log_line="ready", period=5.0))
    stage = a_stage(nursery, spec, Script())
    stage.start()
    await stage.until(State.STARTING)
    stage.children.spawned[0].pause(True)
    await trio.sleep(100)
    assert (stage.state, len(stage.children.spawned)) == (State.PAUSED, 1)
    stage.children.spawned[0].pause(False)
    await stage.until(State.BACKOFF)

    assert stage.instance.past is not None
    assert stage.instance.past.fault.startswith("no line matched 'ready' within")


async def test_one_that_is_late_while_it_is_stopped_costs_nobody_anything(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app(
        "a",
        ("x",),
        ready=ReadySpec(log_line="ready", period=5.0),
        stop=StopSpec(timeout=30.0),
        health=HealthSpec(command="x"),
    )
    stage = a_stage(nursery, spec, Script(deaf_to={15}), Script())
    stage.start()
    await stage.until(State.STARTING)
    assert stage.instance.run is not None
    stage.instance.run.never_ready("its check gives it up")
    await stage.until(State.BACKOFF)

    assert trio.current_time() == pytest.approx(30.0)
    assert stage.instance.past is not None
    assert stage.instance.past.fault == "its check gives it up"
