import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from oxtrio.control import messages
from oxtrio.control.openapi import describe
from oxtrio.control.routes import ROUTES
from oxtrio.control.wire import OrderLine, to_record
from oxtrio.model.order import Order, Report, Step, Verb
from oxtrio.model.status import LastExit
from tests.control.fakes import FakeSteered, a_line, an_event, an_instance


@pytest.fixture(scope="module")
def document() -> dict:
    return json.loads(messages.write(describe(ROUTES)))


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def validator(document: dict, name: str) -> Draft202012Validator:
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def test_every_route_is_described(document: dict):
    described = {
        (method.upper(), path) for path, row in document["paths"].items() for method in row
    }

    assert described == {(route.method, route.pattern) for route in ROUTES}
    assert document["openapi"] == "3.1.0"


def test_every_operation_has_a_name_of_its_own(document: dict):
    names = [one["operationId"] for row in document["paths"].values() for one in row.values()]

    assert len(set(names)) == len(names)


def test_every_type_is_a_valid_schema_and_every_reference_leads_to_one(document: dict):
    schemas = document["components"]["schemas"]

    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert {one.rpartition("/")[2] for one in references(document)} == set(schemas)


def test_what_is_sent_is_what_is_described(document: dict):
    fake = FakeSteered()
    exit = LastExit(code=None, signal="SIGKILL", at="2025-01-01T12:00:00+01:00", reason="")
    report = Report(done=(Step(name="api", state="running"),), notes=("x",))
    order = Order(verb=Verb.RELOAD, names=("api",), env=(("A", "1"),), timeout=3.5)
    for value in (
        an_instance(exit=exit), an_event(1), fake.supervisor, report, order,
        to_record(a_line(b"\xff")), OrderLine(step=Step(name="a", state="b")),
    ):  # fmt: skip
        plain = json.loads(messages.write(value))
        validator(document, type(value).__name__).validate(plain)


def test_what_is_wrong_is_not_what_is_described(document: dict):
    assert not validator(document, "Order").is_valid({"verb": "explode"})
    assert not validator(document, "Order").is_valid({"names": ["api"]})
    assert not validator(document, "InstanceStatus").is_valid({"name": "api"})
