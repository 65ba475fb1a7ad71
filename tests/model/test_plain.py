"""Frozen dataclasses as plain data, and back."""

import json
from dataclasses import dataclass
from enum import Enum
from signal import Signals

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxtrio.errors import ProtocolError
from oxtrio.model.order import Failure, Order, Report, Step, SupervisorStatus, Until, Verb, Why
from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.spec import AppSpec, Condition, Config, StopSpec
from oxtrio.model.status import Event, InstanceStatus, LastExit

EVERYTHING = (Order, Step, Report, Failure, Why, InstanceStatus, LastExit, Event, SupervisorStatus)


@pytest.mark.parametrize("cls", EVERYTHING, ids=lambda cls: cls.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_everything_comes_back_as_it_went(cls: type, data: st.DataObject):
    finite = st.floats(allow_nan=False, allow_infinity=False)
    pairs = st.dictionaries(st.text(), st.text()).map(lambda table: tuple(table.items()))
    st.register_type_strategy(float, finite)
    value = data.draw(st.builds(cls, env=st.none() | pairs) if cls is Order else st.from_type(cls))

    assert from_plain(cls, to_plain(value), strict=True) == value
    assert from_plain(cls, to_plain(value, sparse=True), strict=True) == value


@pytest.mark.parametrize("cls", [AppSpec, Config], ids=lambda cls: cls.__name__)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_every_spec_comes_back_from_json_as_it_went(cls: type, data: st.DataObject):
    """Enumerations, signals, tuples of fixed and any length, unions, and all that is nested."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    names = st.dictionaries(st.text(), st.text()).map(lambda table: tuple(table.items()))
    st.register_type_strategy(float, finite)
    st.register_type_strategy(AppSpec, lambda _: _random_spec(names))
    value = data.draw(st.from_type(cls))

    for sparse in (False, True):
        text = json.dumps(to_plain(value, sparse=sparse))
        assert from_plain(cls, json.loads(text), strict=True) == value


def _random_spec(env: st.SearchStrategy[object]) -> st.SearchStrategy[AppSpec]:
    optional = {name: ... for name in AppSpec.__slots__ if name not in ("env", "same_runs")}
    return st.builds(AppSpec, env=env, **optional)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"command": 7}, "appspec.command must be a string, is an integer"),
        ({"command": ["a", 7]}, r"appspec.command\[1\] must be a string"),
        ({"inherit_env": "yes"}, "appspec.inherit_env must be true or false, is a string"),
        ({"depends_on": [["db"]]}, r"appspec.depends_on\[0\] must have 2 entries, has 1"),
        ({"stop": {"signal": "SIGWHAT"}}, "appspec.stop.signal is 'SIGWHAT', which is no Signals"),
        ({"stop": {"signal": 15}}, "appspec.stop.signal must be a string, is an integer"),
        ({"health": []}, "appspec.health must be an object, is an array"),
    ],
    ids=str,
)
def test_a_spec_that_is_none_is_refused(changes: dict[str, object], complaint: str):
    plain = {"name": "a", "command": "x", "working_dir": "/"} | changes

    with pytest.raises(ProtocolError, match=f"^{complaint}"):
        from_plain(AppSpec, plain, strict=False)


def test_what_a_spec_becomes_can_be_read_by_a_person():
    spec = AppSpec(
        name="api",
        command=("a", "b"),
        working_dir="/",
        stop=StopSpec(signal=Signals.SIGINT),
        depends_on=(("db", Condition.READY), ("q", None)),
        inherit_env=False,
    )

    plain = to_plain(spec, sparse=True)

    assert isinstance(plain, dict)
    assert plain["command"] == ["a", "b"]
    assert plain["stop"] == {"signal": "SIGINT", "to_group": False, "timeout": 10.0}
    assert plain["depends_on"] == [["db", "ready"], ["q", None]]
    assert plain["inherit_env"] is False
    assert "env" not in plain


def test_a_plain_enumeration_goes_by_its_names():
    class Colour(Enum):
        RED = 1

    @dataclass(frozen=True)
    class Thing:
        colour: Colour | None
        size: tuple[int, str] = (1, "m")

    thing = Thing(Colour.RED)

    assert to_plain(thing) == {"colour": "RED", "size": [1, "m"]}
    assert from_plain(Thing, to_plain(thing), strict=True) == thing


def test_what_has_its_default_is_not_said_to_a_supervisor_that_may_be_older():
    order = Order(verb=Verb.STOP, names=("api",))

    assert to_plain(order, sparse=True) == {"verb": "stop", "names": ["api"]}


def test_an_environment_is_an_object_in_json():
    order = Order(verb=Verb.START, env=(("B", "2"), ("A", "1")))

    plain = to_plain(order, sparse=True)

    assert plain == {"verb": "start", "env": {"B": "2", "A": "1"}}
    assert from_plain(Order, plain, strict=True) == order


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "order must be an object, is an array"),
        (None, "order must be an object, is null"),
        ({}, "order lacks the field 'verb'"),
        ({"verb": "explode"}, "order.verb is 'explode', expected one of start, stop"),
        ({"verb": 1}, "order.verb must be a string, is an integer"),
        ({"verb": "stop", "nmes": []}, "order has no field 'nmes'"),
        ({"verb": "stop", "__class__": "x"}, "order has no field '__class__'"),
        ({"verb": "stop", "names": "api"}, "order.names must be an array, is a string"),
        ({"verb": "stop", "names": ["a", 1]}, r"order.names\[1\] must be a string, is an integer"),
        ({"verb": "stop", "names": ["a", None]}, r"order.names\[1\] must be a string, is null"),
        ({"verb": "stop", "wait": 1}, "order.wait must be true or false, is an integer"),
        ({"verb": "stop", "timeout": True}, "order.timeout must be a number, is true or false"),
        ({"verb": "stop", "timeout": 10**400}, "order.timeout is too large"),
        ({"verb": "stop", "timeout": float("inf")}, "order.timeout is not a finite number"),
        ({"verb": "stop", "env": [["A", "1"]]}, "order.env must be an object, is an array"),
        ({"verb": "stop", "env": {"A": 1}}, "order.env.A must be a string, is an integer"),
    ],
)
def test_a_wrong_request_is_refused_with_the_field_that_is_wrong(data: object, complaint: str):
    with pytest.raises(ProtocolError, match=f"^{complaint}"):
        from_plain(Order, data, strict=True)


def test_an_unknown_field_is_answered_with_those_that_exist():
    with pytest.raises(ProtocolError) as caught:
        from_plain(Order, {"verb": "stop", "force": True}, strict=True)

    assert "verb, names, wait, timeout" in caught.value.hint


def test_a_newer_supervisor_may_say_more_than_we_know():
    data = {"name": "api", "state": "running", "colour": "red", "pid": 7}

    assert from_plain(Step, data, strict=False) == Step(name="api", state="running", pid=7)


def test_a_whole_number_does_where_a_number_is_expected():
    order = from_plain(Order, {"verb": "wait", "timeout": 3, "until": "healthy"}, strict=True)

    assert order == Order(verb=Verb.WAIT, timeout=3.0, until=Until.HEALTHY)
    assert isinstance(order.timeout, float)


def test_dataclasses_inside_dataclasses_are_read_too():
    @dataclass(frozen=True)
    class Outer:
        exit: LastExit | None
        steps: tuple[Step, ...] = ()

    data = {
        "exit": {"code": 1, "signal": None, "at": "now", "reason": "x"},
        "steps": [{"name": "a", "state": "b"}],
    }

    read = from_plain(Outer, data, strict=True)

    assert read == Outer(
        LastExit(code=1, signal=None, at="now", reason="x"), (Step(name="a", state="b"),)
    )


@pytest.mark.parametrize(
    "data", [{"verb": "x" * 10_000}, {"y" * 10_000: 1}, {"verb": "stop", "env": {"z" * 10_000: 1}}]
)
def test_a_complaint_is_short_however_long_what_it_is_about(data: object):
    with pytest.raises(ProtocolError) as caught:
        from_plain(Order, data, strict=True)

    assert len(caught.value.message) < 300
