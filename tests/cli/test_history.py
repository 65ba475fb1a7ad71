import json

from oxtrio.model.order import Why
from oxtrio.model.status import Event

AT = "2025-01-01T00:00:00.000+01:00"
STARTED = Event(seq=1, at=AT, name="api:0", kind="state", state="running", reason="", pid=7)
CRASHED = Event(seq=2, at=AT, name="api:0", kind="state", state="crashed", reason="exit code 1")
STOPPING = Event(seq=3, at=AT, name="", kind="stopping", state="", reason="SIGTERM")


def test_an_event_is_one_line(oxtrio, client):
    client.history = [STARTED, CRASHED, STOPPING]

    assert oxtrio("events") == (
        0,
        f"{AT}  api:0           running    pid 7\n"
        f"{AT}  api:0           crashed    exit code 1\n"
        f"{AT}  oxtrio          stopping   SIGTERM\n",
        "",
    )


def test_events_as_json_are_one_object_per_line(oxtrio, client):
    client.history = [STARTED, CRASHED]

    _, out, _ = oxtrio("events", "--json", "-f")

    assert [json.loads(text)["seq"] for text in out.splitlines()] == [1, 2]


def test_why_is_a_paragraph_hints_and_the_last_lines(oxtrio, client):
    client.reason = Why(
        name="api",
        state="backoff",
        text="It ended with exit code 1.",
        hints=("pip install celery",),
        last_lines=("Traceback", "boom\x1b[2J"),
    )

    code, out, err = oxtrio("why", "api")

    assert (code, err) == (0, "")
    assert out.splitlines()[:5] == [
        "api: backoff",
        "It ended with exit code 1.",
        "hint: pip install celery",
        "last lines:",
        "    Traceback",
    ]
    assert "\x1b" not in out


def test_why_as_json(oxtrio, client):
    client.reason = Why(name="api", state="running", text="All is well.")

    assert json.loads(oxtrio("why", "api", "--json")[1])["text"] == "All is well."
