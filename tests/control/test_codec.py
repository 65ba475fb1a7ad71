from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxtrio.control.codec import from_plain, to_plain
from oxtrio.errors import ProtocolError
from oxtrio.model.order import Failure, Order, Report, Step, SupervisorStatus, Until, Verb, Why
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
