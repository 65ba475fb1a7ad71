import pytest

from oxtrio import __version__
from oxtrio.cli import verbs
from oxtrio.cli.target import Target
from oxtrio.errors import ConfigError, NotFound, NotRunning, Problem, Refused


def test_version(oxtrio):
    assert oxtrio("--version") == (0, f"oxtrio {__version__}\n", "")


def test_without_a_command_help_is_shown(oxtrio):
    code, out, err = oxtrio()

    assert code == 2
    assert out == ""
    assert "Usage: oxtrio" in err


@pytest.mark.parametrize("verb", sorted(verbs.MODULES))
def test_every_command_has_help_with_examples(oxtrio, verb: str):
    code, out, err = oxtrio(verb, "--help")

    assert (code, err) == (0, "")
    assert f"Usage: oxtrio {verb}" in out
    assert "Examples:" in out


def test_help_lists_every_command_and_no_alias(oxtrio):
    _, out, _ = oxtrio("--help")

    listed = [
        line.split()[0] for line in out.splitlines() if line.startswith("  ") and line.strip()
    ]
    assert [word for word in listed if word in verbs.MODULES] == [
        verb for group in verbs.GROUPS.values() for verb in group
    ]


def test_no_summary_of_a_command_is_cut_or_wrapped(oxtrio):
    _, out, _ = oxtrio("--help")

    assert "..." not in out.partition("Options:")[0].partition("\n")[2]


@pytest.mark.parametrize("verb", sorted(verbs.LATER))
def test_a_command_of_a_later_version_says_so(oxtrio, verb: str):
    code, out, err = oxtrio(verb, "api")

    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"error: '{verb}' is not supported yet"


def test_an_option_of_a_later_version_says_so(oxtrio, client):
    code, _, err = oxtrio("status", "--tree")

    assert code == 2
    assert err == "error: '--tree' is not supported yet\n"


def test_a_mistyped_command_is_answered_with_the_one_meant(oxtrio):
    code, _, err = oxtrio("sttus")

    assert code == 2
    assert err == "error: no such command: 'sttus'\nhint: did you mean 'oxtrio status'?\n"


def test_a_mistyped_option_is_answered_with_the_one_meant(oxtrio):
    code, _, err = oxtrio("stop", "--timout", "3")

    assert code == 2
    assert err == "error: no such option: --timout\nhint: did you mean --timeout?\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("stop", "--timeout", "soon"), "error: invalid value for '--timeout': 'soon' is not"),
        (("stop", "--timeout", "-1"), "error: --timeout must be positive"),
        (("stop", "--timeout", "nan"), "error: --timeout must be positive"),
        (("signal",), "error: missing argument 'SIGNAL'"),
        (("signal", "FOO", "api"), "error: no such signal: 'FOO'"),
        (("signal", "99", "api"), "error: no such signal: '99'"),
        (("why",), "error: missing argument 'NAME'"),
        (("wait", "--for", "godot"), "error: cannot wait for 'godot'"),
        (("status", "-c"), "error: option '-c' requires an argument"),
        (("logs", "-n", "few"), "error: cannot show 'few' lines"),
        (("logs", "--grep", "["), "error: cannot use --grep '['"),
        (("logs", "--stream", "up"), "error: no such stream: 'up'"),
        (("logs", "--since", "soon"), "error: cannot read 'soon' as a time"),
        (("events", "-n", "-1"), "error: cannot show"),
        (("scale",), "error: missing argument 'NAME=N'"),
        (("scale", "api"), "error: cannot scale 'api': it is not NAME=N"),
        (("scale", "api=x"), "error: cannot scale 'api=x': it is not NAME=N"),
        (("scale", "=4"), "error: cannot scale '=4': it is not NAME=N"),
        (("scale", "api=-1"), "error: cannot scale 'api=-1': it is not NAME=N"),
        (("scale", "api=0"), "error: cannot scale 'api=0': an app has 1 to 10000 instances"),
        (("scale", "api=10001"), "error: cannot scale 'api=10001': an app has 1 to 10000"),
        (("scale", "a=1", "b=1", "a=2"), "error: 'a' is to be scaled twice"),
        (("scale", "a=1", "--save", "--no-wait"), "error: --save needs to wait"),
        (("drain",), "error: missing argument 'NAME'"),
        (("run", "--"), "error: no command behind '--'"),
        (("run", "api", "--", "true"), "error: cannot run apps and a command at once"),
        (("status", "--watch"), "error: cannot watch: stdout is not a terminal"),
    ],
)
def test_wrong_usage_is_one_error_line_and_exit_code_2(oxtrio, client, words, error: str):
    code, out, err = oxtrio(*words)

    assert (code, out) == (2, "")
    assert err.startswith(error)
    assert [line.partition(":")[0] for line in err.splitlines()] in (["error"], ["error", "hint"])


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotFound("no app 'x'", "apps: api"), 4), (Refused("not yours"), 5), (NotRunning("no"), 3)],
)
def test_an_error_is_a_line_a_hint_and_its_exit_code(oxtrio, client, error, code: int):
    client.error = error

    hint = f"hint: {error.hint}\n" if error.hint else ""
    assert oxtrio("restart", "x") == (code, "", f"error: {error.message}\n{hint}")


def test_a_broken_oxfile_shows_every_problem_with_its_line(oxtrio, client):
    problems = (
        Problem("oxfile.toml", 3, "unknown key comand", "did you mean command?"),
        Problem("oxfile.toml", 9, "instances must be at least 1"),
    )
    client.error = ConfigError("oxfile.toml has 2 problems", problems=problems)

    code, out, err = oxtrio("reload")

    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "oxfile.toml:3: unknown key comand (did you mean command?)",
        "oxfile.toml:9: instances must be at least 1",
        "error: oxfile.toml has 2 problems",
    ]


def test_a_bug_is_no_traceback(oxtrio, monkeypatch: pytest.MonkeyPatch):
    def fail(target: Target) -> None:
        raise ValueError("surprise")

    monkeypatch.setattr(Target, "client", fail)

    code, out, err = oxtrio("status")

    assert (code, out) == (1, "")
    assert err.startswith("error: internal error: ValueError: surprise\nhint: ")
    assert "Traceback" not in err


def test_a_bug_shows_its_traceback_to_who_asks(oxtrio, monkeypatch: pytest.MonkeyPatch):
    def fail(target: Target) -> None:
        raise ValueError("surprise")

    monkeypatch.setattr(Target, "client", fail)
    monkeypatch.setenv("OXTRIO_DEBUG", "1")

    assert "Traceback" in oxtrio("status")[2]


def test_ctrl_c_ends_quietly(oxtrio, monkeypatch: pytest.MonkeyPatch):
    def interrupt(target: Target) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Target, "client", interrupt)

    assert oxtrio("status") == (130, "", "")


def test_the_project_may_be_named_before_and_after_the_command(oxtrio, monkeypatch):
    seen: list[Target] = []

    def note(target: Target) -> None:
        seen.append(target)
        raise NotRunning("no")

    monkeypatch.setattr(Target, "client", note)

    oxtrio("-c", "a.toml", "-p", "shop", "status", "-c", "b.toml", "--config=c.toml")
    oxtrio("status", "-p", "shop", "api")

    assert seen == [Target(("a.toml", "b.toml", "c.toml"), "shop"), Target((), "shop")]


def test_a_value_that_looks_like_a_command_is_a_value(oxtrio, monkeypatch):
    seen: list[Target] = []
    monkeypatch.setattr(Target, "client", lambda target: seen.append(target) or 1 / 0)

    oxtrio("-c", "status", "restart")

    assert seen == [Target(("status",), None)]


def test_suggested_commands_work_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert Target().command("stop") == "oxtrio stop"
    assert Target(("my file.toml",), None).command("stop") == (
        f"oxtrio -c '{tmp_path}/my file.toml' stop"
    )
    assert Target((), "shop").command("logs -f") == "oxtrio -p shop logs -f"
