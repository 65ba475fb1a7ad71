"""scale, and what --save writes."""

from pathlib import Path

import pytest

from oxtrio.errors import NotFound
from oxtrio.model.order import Failure, Order, Report, Step, Verb

TEXT = """\
# our shop
[processes.api]  # the API
command = "serve"
instances = 2  # two are enough

[processes.worker]
command = "work"
"""


@pytest.fixture
def oxfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "oxfile.toml"
    path.write_text(TEXT)
    return path


def test_each_app_is_an_order_of_its_own(oxtrio, client):
    client.answers = [Report(done=(Step(name="api:0", state="running", pid=7),))]

    code, out, err = oxtrio("scale", "api=4", "worker=1", "--timeout", "5")

    assert (code, out, err) == (0, "api:0: running (pid 7)\n" * 2, "")
    assert client.orders == [
        Order(verb=Verb.SCALE, names=("api",), instances=4, timeout=5.0),
        Order(verb=Verb.SCALE, names=("worker",), instances=1, timeout=5.0),
    ]


def test_one_that_fails_does_not_keep_the_next_from_being_scaled(oxtrio, client):
    client.answers = [Report(failures=(Failure(name="api:3", reason="exit code 1"),))]

    code, _, err = oxtrio("scale", "api=4", "worker=2")

    assert code == 1
    assert err.splitlines()[0] == "error: cannot scale api:3: exit code 1"
    assert [order.names for order in client.orders] == [("api",), ("worker",)]


def test_without_save_the_oxfile_stays_as_it_is(oxtrio, client, oxfile):
    oxtrio("scale", "api=4")

    assert oxfile.read_text() == TEXT


def test_save_writes_the_number_once_it_is_done(oxtrio, client, oxfile):
    code, out, _ = oxtrio("scale", "api=4", "worker=3", "--save")

    assert code == 0
    assert out.splitlines() == [
        "oxfile.toml: api has instances = 4",
        "oxfile.toml: worker has instances = 3",
    ]
    assert oxfile.read_text() == TEXT.replace("= 2 ", "= 4 ") + "instances = 3\n"


def test_save_writes_into_the_file_that_has_the_app(oxtrio, client, oxfile):
    more = oxfile.with_name("more.toml")
    more.write_text("[processes.beat]\ncommand = 'beat'\n")

    code, out, _ = oxtrio("-c", "oxfile.toml", "-c", "more.toml", "scale", "beat=2", "--save")

    assert (code, out) == (0, "more.toml: beat has instances = 2\n")
    assert more.read_text() == "[processes.beat]\ncommand = 'beat'\ninstances = 2\n"
    assert oxfile.read_text() == TEXT


def test_what_failed_is_not_saved(oxtrio, client, oxfile):
    client.answers = [Report(failures=(Failure(name="api:3", reason="exit code 1"),))]

    assert oxtrio("scale", "api=4", "--save")[0] == 1
    assert oxfile.read_text() == TEXT


@pytest.mark.parametrize(
    ("word", "error", "code"),
    [
        ("apy=4", "error: cannot save: no app named 'apy' in oxfile.toml", NotFound.exit_code),
        ("a*=4", "error: cannot save: no app named 'a*' in oxfile.toml", NotFound.exit_code),
    ],
)
def test_what_could_not_be_saved_is_not_scaled(oxtrio, client, oxfile, word, error, code):
    assert oxtrio("scale", word, "--save") == (code, "", f"{error}\n")
    assert client.orders == []


def test_a_broken_oxfile_is_not_edited(oxtrio, client, oxfile):
    oxfile.write_text(TEXT + "x = \n")

    code, _, err = oxtrio("scale", "api=4", "--save")

    assert code == 2
    assert "oxfile.toml:8" in err
    assert client.orders == []


def test_a_file_that_cannot_be_written_is_told_before_anything_is_scaled(
    oxtrio, client, oxfile, monkeypatch
):
    monkeypatch.setattr("oxtrio.project.rewriting.os.access", lambda path, mode: False)

    code, _, err = oxtrio("scale", "api=4", "--save")

    assert code == 5
    assert err == f"error: cannot write '{oxfile}': permission denied\n"
    assert client.orders == []
