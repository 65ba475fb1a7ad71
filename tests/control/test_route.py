import json
import re
from pathlib import Path

import pytest

from oxtrio.control.exchange import Reply, Request
from oxtrio.control.route import Access, Found, find
from oxtrio.control.routes import ROUTES
from oxtrio.errors import UsageError


def found(method: str, path: str) -> Found:
    result = find(ROUTES, Request(method=method, path=path))
    assert isinstance(result, Found)
    return result


def refused(method: str, path: str) -> Reply:
    result = find(ROUTES, Request(method=method, path=path))
    assert isinstance(result, Reply)
    return result


def test_a_request_finds_its_row_and_the_variable_parts_of_its_path():
    assert found("GET", "/v1/apps/api").request.params == {"name": "api"}
    assert found("GET", "/v1/why/api%3A0").request.params == {"name": "api:0"}
    assert found("POST", "/v1/apps/api/stop").route.access is Access.CHANGE
    assert found("HEAD", "/healthz").route.method == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "*", "//", "/v1", "/v1/", "/v1/apps", "/v1/apps/api/explode", "/v1/apps/a/b/stop",
        "/v1/apply", "/metrics", "/V1/status", "/v1/status/", "/v1//status", "http://x/v1/status",
        "/v1/../etc/passwd", "/__class__", "/v1/st%61tus", "/v1/orders.__globals__",
    ],
)  # fmt: skip
def test_what_is_no_route_is_not_found(path: str):
    reply = refused("GET", path)

    assert reply.status == 404
    assert json.loads(reply.body)["error"]["kind"] == "NotFound"


@pytest.mark.parametrize("version", ["v0", "v2", "v10"])
def test_another_version_is_answered_with_the_one_there_is(version: str):
    error = json.loads(refused("GET", f"/{version}/status").body)["error"]

    assert error["message"] == f"no version {version} of this API"
    assert error["hint"] == "this supervisor speaks v1"


def test_a_wrong_method_is_answered_with_the_right_ones():
    reply = refused("DELETE", "/v1/status")

    assert reply.status == 405
    assert reply.headers == (("allow", "GET, HEAD"),)
    assert refused("GET", "/v1/orders").headers == (("allow", "POST"),)


@pytest.mark.parametrize(
    "name", ["__class__", "..%2f..%2fx", "supervisor.options.execve", "$(id)", "`id`", "", "%00",
             "x" * 10_000, "аpi"],
)  # fmt: skip
def test_a_name_is_only_ever_a_name(name: str):
    assert list(found("GET", f"/v1/apps/{name}").request.params) == ["name"]


def test_a_path_that_is_no_text_is_refused():
    with pytest.raises(UsageError, match="not valid UTF-8"):
        find(ROUTES, Request(method="GET", path="/v1/apps/%ff"))


def test_no_two_rows_are_the_same():
    assert len({(route.method, route.pattern) for route in ROUTES}) == len(ROUTES)


def test_every_route_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    documented = set(re.findall(r"^\| `((?:GET|POST) /[^`]*)` \|", text, re.MULTILINE))

    assert documented == {f"{route.method} {route.pattern}" for route in ROUTES}


def test_every_parameter_of_a_query_is_documented():
    rows = (Path(__file__).parents[2] / "docs" / "api.md").read_text().splitlines()
    for route in ROUTES:
        [row] = [row for row in rows if row.startswith(f"| `{route.method} {route.pattern}` |")]
        assert [one.name for one in route.query if f"`{one.name}" not in row] == []
