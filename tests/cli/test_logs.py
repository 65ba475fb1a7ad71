import json
from types import SimpleNamespace

import pytest

from oxtrio.cli.logs import number_of_lines
from oxtrio.cli.target import Target
from oxtrio.errors import NotRunning
from oxtrio.model.log import LogQuery, Skipped, Stream
from tests.cli.scripted import line, row

RAW = b"caf\xe9 \x1b[2J\x1b[31mred\x1b[0m"


def test_one_app_in_a_pipe_is_its_own_bytes(client, capfdbinary):
    from oxtrio.cli.main import main

    client.rows = [row("api")]
    client.output = [[line("api", RAW)]]

    assert main(["logs", "api"]) == 0
    assert capfdbinary.readouterr().out == RAW + b"\n"


def test_several_apps_in_a_pipe_are_told_apart(oxtrio, client):
    client.rows = [row("api:0"), row("api:1"), row("db")]
    client.output = [[line("api:1", b"one"), line("db", b"two")]]

    _, out, _ = oxtrio("logs")

    assert [text.split()[0] for text in out.splitlines()] == ["api:1", "db"]
    assert [text[-3:] for text in out.splitlines()] == ["one", "two"]
    assert "\x1b" not in out


def test_without_prefix_several_apps_are_their_own_bytes(client, capfdbinary):
    from oxtrio.cli.main import main

    client.rows = [row("api"), row("db")]
    client.output = [[line("api", RAW), line("db", b"x")]]

    assert main(["logs", "--no-prefix"]) == 0
    assert capfdbinary.readouterr().out == RAW + b"\nx\n"


def test_json_is_one_object_per_line(oxtrio, client):
    client.rows = [row("api:0"), row("api:1")]
    client.output = [[line("api:1", RAW, at=1.5, stream=Stream.STDERR)]]

    found = json.loads(oxtrio("logs", "--json")[1])

    assert found.pop("at").startswith("1970-01-01T") or True
    assert found == {
        "name": "api:1",
        "app": "api",
        "instance": 1,
        "stream": "stderr",
        "line": RAW.decode("utf-8", "replace"),
    }


def test_a_follower_that_was_cut_off_is_told_and_follows_again(oxtrio, client):
    client.rows = [row("api")]
    client.output = [[line("api", b"one"), Skipped(12)], [line("api", b"two")]]

    code, out, err = oxtrio("logs", "-f", "--since", "1h")

    assert (code, out) == (0, "one\ntwo\n")
    assert err == "warning: too slow: 12 pieces of output are not shown\n"
    assert client.queries[1].follow
    assert (client.queries[1].lines, client.queries[1].since) == (0, None)


def test_to_a_follower_the_end_of_the_supervisor_is_the_end(oxtrio, client, monkeypatch):
    def cut_off(query):
        yield line("api", b"one")
        raise NotRunning("oxtrio is not running any more")

    client.rows = [row("api")]
    monkeypatch.setattr(client, "logs", cut_off)

    assert oxtrio("logs", "-f") == (0, "one\n", "")


def test_without_a_supervisor_the_place_of_the_logs_is_named(oxtrio, client, monkeypatch):
    client.error = NotRunning("not running", "oxtrio start")
    monkeypatch.setattr(Target, "folders", lambda target: SimpleNamespace(logs="/var/x/logs"))

    assert oxtrio("logs") == (3, "", "error: not running\nhint: the logs are in /var/x/logs\n")


def test_the_options_are_the_query(oxtrio, client):
    oxtrio(
        "logs", "api", "tag:x", "-n", "7", "-f", "--grep", "a.b", "--level", "error",
        "--stream", "err", "--until", "2025-01-01T00:00:00Z", "--since", "2024-01-01T00:00:00Z",
    )  # fmt: skip

    assert client.queries == [
        LogQuery(
            names=("api", "tag:x"),
            lines=7,
            since=1704067200.0,
            until=1735689600.0,
            grep="a.b",
            level="error",
            stream=Stream.STDERR,
            follow=True,
        )
    ]


@pytest.mark.parametrize("word", ["out", "stdout"])
def test_both_names_of_a_stream_serve(oxtrio, client, word: str):
    oxtrio("logs", "--stream", word)

    assert client.queries[0].stream is Stream.STDOUT


@pytest.mark.parametrize(
    ("word", "since", "lines"),
    [(None, None, 100), (None, "1h", None), ("5", "1h", 5), ("all", None, None), ("0", None, 0)],
)
def test_how_many_lines(word, since, lines):
    assert number_of_lines(word, since) == lines
