"""One line of an oxfile is changed, and nothing else."""

import tomllib

import pytest

from oxtrio.config.edit import with_instances
from oxtrio.errors import ConfigError, OxtrioError
from oxtrio.model.facts import Source


def edited(text: str, app: str = "api", number: int = 4) -> str | None:
    return with_instances(Source("/srv/oxfile.toml", text), app, number)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("instances = 2  # two\ncommand = 'x'\n", "instances = 4  # two\ncommand = 'x'\n"),
        ("instances = 'max'\ncommand = 'x'", "instances = 4\ncommand = 'x'"),
        ("command = 'x'\n\n# next\n", "command = 'x'\ninstances = 4\n\n# next\n"),
        ("command = 'x'  # run\nuser = 'a'", "command = 'x'  # run\ninstances = 4\nuser = 'a'"),
        ("command = 'x'", "command = 'x'\ninstances = 4"),
        ("  command   = 'x = 1'\n", "  command   = 'x = 1'\n  instances = 4\n"),
        (
            "command = [\n  'x',  # ]\n  'y',\n]\nuser = 'a'\n",
            "command = [\n  'x',  # ]\n  'y',\n]\ninstances = 4\nuser = 'a'\n",
        ),
        ('command = """x\ny"""\n', 'command = """x\ny"""\ninstances = 4\n'),
        (
            "command = 'x'\n[processes.api.env]\ninstances = '1'\n",
            "command = 'x'\ninstances = 4\n[processes.api.env]\ninstances = '1'\n",
        ),
        ("'command' = 'x'\n", "'command' = 'x'\ninstances = 4\n"),
    ],
)
def test_a_table_gets_its_number(text, becomes):
    assert edited(f"# top\n[processes.api]\n{text}") == f"# top\n[processes.api]\n{becomes}"


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (
            "processes.api.command = 'x'\n",
            "processes.api.command = 'x'\nprocesses.api.instances = 4\n",
        ),
        ("[processes]\napi.command = 'x'\n", "[processes]\napi.command = 'x'\napi.instances = 4\n"),
        (
            "[processes]\napi = { command = 'x', instances = 2 } # one\ndb = { command = 'y' }\n",
            "[processes]\napi = { command = 'x', instances = 4 } # one\ndb = { command = 'y' }\n",
        ),
        (
            "[processes.api.env]\nA = '1'\n[processes.db]\ncommand = 'y'\n[processes.api]\n"
            "command = 'x'\n",
            "[processes.api.env]\nA = '1'\n[processes.db]\ncommand = 'y'\n[processes.api]\n"
            "command = 'x'\ninstances = 4\n",
        ),
        (
            "[processes.api]\r\ncommand = 'x'\r\n\r\n[processes.db]\r\ncommand = 'y'\r\n",
            "[processes.api]\r\ncommand = 'x'\r\ninstances = 4\r\n\r\n[processes.db]\r\n"
            "command = 'y'\r\n",
        ),
        (
            "\ufeff[processes.api]\ncommand = 'x'\ninstances = 1\n",
            "\ufeff[processes.api]\ncommand = 'x'\ninstances = 4\n",
        ),
        (
            '[processes."api"]\ncommand = "x"\n[[processes.api.listen]]\naddress = ":1"\n',
            '[processes."api"]\ncommand = "x"\ninstances = 4\n[[processes.api.listen]]\n'
            'address = ":1"\n',
        ),
    ],
)
def test_every_way_of_writing_is_kept(text, becomes):
    assert edited(text) == becomes


def test_an_inline_table_gets_a_new_key():
    text = edited("[processes]\napi = { command = 'x' }  # here\n")

    assert text is not None
    assert tomllib.loads(text) == {"processes": {"api": {"command": "x", "instances": 4}}}
    assert "# here" in text


def test_a_number_that_is_there_already_changes_nothing():
    text = "[processes.api]\ncommand = 'x'\ninstances = 4 # as it is\n"

    assert edited(text) == text


@pytest.mark.parametrize("text", ["", "[processes.db]\ncommand = 'x'", "processes = 5"])
def test_where_the_app_is_not_nothing_is_edited(text):
    assert edited(text) is None


def test_an_app_with_a_dot_in_its_name_is_one_app():
    assert edited('[processes."api.v2"]\ncommand = "x"\n', "api.v2") == (
        '[processes."api.v2"]\ncommand = "x"\ninstances = 4\n'
    )


def test_what_is_no_toml_is_told():
    with pytest.raises(ConfigError) as caught:
        edited("[processes.api")

    assert str(caught.value.problems[0]).startswith("/srv/oxfile.toml:1:")


def test_what_would_change_more_is_refused_with_what_to_write(monkeypatch):
    monkeypatch.setattr("oxtrio.config.edit._with_value", lambda text, app, number: "x = 1")

    with pytest.raises(OxtrioError) as caught:
        edited("[processes.api]\ncommand = 'x'\ninstances = 1")

    assert "without changing more than instances of api" in caught.value.message
    assert caught.value.hint == "write instances = 4 into [processes.api] yourself"
