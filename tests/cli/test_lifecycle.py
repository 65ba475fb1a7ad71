from collections.abc import Iterator

import pytest

from oxtrio.cli import preview
from oxtrio.cli.target import Target
from oxtrio.errors import ConfigError, DaemonUnreachable, NotFound, NotRunning, ProtocolError
from oxtrio.model.order import Failure, Order, Report, Step, Until, Verb
from oxtrio.model.spec import AppSpec, Config


def spec(name: str, **changes) -> AppSpec:
    return AppSpec(name=name, command="true", working_dir="/", **changes)


def config(*apps: AppSpec) -> Config:
    return Config(files=("/srv/oxfile.toml",), apps=apps)


@pytest.fixture
def nothing_runs(monkeypatch):
    """No supervisor yet; `launch` makes one. What was done, in order."""
    done: list[str] = []
    monkeypatch.setattr(Target, "is_running", lambda target: "launch" in done)
    monkeypatch.setattr(Target, "launch", lambda target: done.append("launch"))
    monkeypatch.setattr(Target, "config", lambda target: config(spec("api", instances=2)))
    return done


def test_start_launches_a_supervisor_first(oxtrio, client, nothing_runs):
    client.answers = [
        Step(name="api:0", state="starting"),
        Report(done=(Step(name="api:0", state="running", pid=7),)),
    ]

    code, out, err = oxtrio("start", "api")

    assert (code, err) == (0, "")
    assert nothing_runs == ["launch"]
    assert client.orders == [Order(verb=Verb.START, names=("api",))]
    assert out.splitlines()[0] == "api:0: running (pid 7)"
    assert out.splitlines()[-1] == "next: oxtrio logs -f · oxtrio status · oxtrio stop"


def test_the_last_line_of_start_works_from_anywhere(oxtrio, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    _, out, _ = oxtrio("start", "-c", "dev.toml")

    assert f"oxtrio -c {tmp_path}/dev.toml status" in out


def test_start_refuses_a_broken_oxfile_before_anything_runs(
    oxtrio, client, nothing_runs, monkeypatch
):
    def broken(target: Target) -> Config:
        raise ConfigError("broken")

    monkeypatch.setattr(Target, "config", broken)

    assert oxtrio("start")[0] == 2
    assert nothing_runs == []


def test_start_refuses_an_unknown_name_before_anything_runs(oxtrio, client, nothing_runs):
    code, _, err = oxtrio("start", "apy")

    assert code == 4
    assert "did you mean api?" in err
    assert nothing_runs == []


def test_a_dry_run_without_a_supervisor_reads_the_oxfile(oxtrio, client, nothing_runs):
    assert oxtrio("start", "--dry-run") == (0, "Would start: api (×2 instances)\n", "")
    assert nothing_runs == []
    assert client.orders == []


def test_a_dry_run_with_a_supervisor_asks_it(oxtrio, client):
    client.answers = [Report(notes=("Would start: worker",))]

    assert oxtrio("start", "--dry-run") == (0, "Would start: worker\n", "")
    assert client.orders == [Order(verb=Verb.START, dry_run=True)]


def test_a_failed_start_shows_the_reason_and_the_last_lines(oxtrio, client):
    failure = Failure(
        name="api",
        reason="exit code 1 after 0.2 s",
        hint="pip install celery",
        last_lines=("Traceback:", "  no module\x1b[2J celery"),
    )
    client.answers = [Report(failures=(failure,), warnings=("api runs as root",))]

    code, out, err = oxtrio("start")

    assert code == 1
    assert out.startswith("next: ")
    lines = err.splitlines()
    assert lines[0] == "warning: api runs as root"
    assert lines[1] == "error: cannot start api: exit code 1 after 0.2 s"
    assert lines[2] == "    Traceback:"
    assert lines[3].startswith("      no module")
    assert "\x1b" not in err
    assert lines[4] == "hint: pip install celery"


def test_waiting_too_long_is_exit_code_124(oxtrio, client):
    client.answers = [Report(timed_out=True)]

    code, _, err = oxtrio("restart", "--timeout", "2.5", "-p", "shop")

    assert code == 124
    assert err.splitlines() == [
        "error: restart is not done within 2.5 s",
        "hint: it goes on; see: oxtrio -p shop status",
    ]
    assert client.orders[0].timeout == 2.5


def test_a_supervisor_that_ends_without_an_answer_is_an_error(oxtrio, client):
    client.answers = [Step(name="api", state="stopping")]

    code, _, err = oxtrio("restart")

    assert code == 1
    assert err.startswith("error: the supervisor ended")


def test_stop_returns_when_the_supervisor_is_gone(oxtrio, client, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(Target, "wait_gone", lambda target, patience: waited.append(1) or True)
    client.answers = [
        Report(done=(Step(name="api", state="stopped"),), ends_supervisor=True),
    ]

    code, out, err = oxtrio("stop")

    assert (code, err) == (0, "")
    assert out.splitlines() == ["api: stopped", "the supervisor has ended"]
    assert waited == [1]


def test_stop_of_some_apps_does_not_wait_for_the_supervisor(oxtrio, client):
    client.answers = [Report(done=(Step(name="api", state="stopped"),))]

    assert oxtrio("stop", "api") == (0, "api: stopped\n", "")


def test_a_supervisor_that_does_not_go_is_a_timeout(oxtrio, client, monkeypatch):
    monkeypatch.setattr(Target, "wait_gone", lambda target, patience: False)
    client.answers = [Report(ends_supervisor=True)]

    assert oxtrio("stop")[0] == 124


def test_a_supervisor_that_is_gone_before_it_has_answered_has_stopped(oxtrio, client, monkeypatch):
    def cut_off(order: Order) -> None:
        raise ProtocolError("cut off")

    monkeypatch.setattr(Target, "wait_gone", lambda target, patience: True)
    monkeypatch.setattr(client, "order", cut_off)

    assert oxtrio("stop") == (0, "the supervisor has ended\n", "")


def test_a_supervisor_that_dies_while_it_stops_is_followed_by_one_that_is_told_again(
    oxtrio, client, monkeypatch
):
    answers = [ProtocolError("cut off"), Report(ends_supervisor=True)]
    asked: list[Order] = []

    def order(order: Order) -> Iterator[Report]:
        asked.append(order)
        answer = answers.pop(0)
        if isinstance(answer, ProtocolError):
            raise answer
        yield answer

    monkeypatch.setattr(Target, "wait_gone", lambda target, patience: not answers)
    monkeypatch.setattr(client, "order", order)

    assert oxtrio("stop") == (0, "the supervisor has ended\n", "")
    assert asked == [Order(verb=Verb.STOP)] * 2


def test_stop_of_what_does_not_run_has_nothing_to_do(oxtrio, client, nothing_runs):
    client.error = NotRunning("nobody listens")

    assert oxtrio("stop") == (0, "", "warning: not running\n")


def test_stop_fails_where_a_supervisor_holds_the_lock_and_does_not_answer(oxtrio, client):
    client.error = DaemonUnreachable("it does not answer")

    assert oxtrio("stop") == (3, "", "error: it does not answer\n")


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (("stop", "api", "--no-wait"), Order(verb=Verb.STOP, names=("api",), wait=False)),
        (("restart", "api:1", "tag:x"), Order(verb=Verb.RESTART, names=("api:1", "tag:x"))),
        (("reload", "--if-changed"), Order(verb=Verb.RELOAD, if_changed=True)),
        (("drain", "a:0"), Order(verb=Verb.DRAIN, names=("a:0",))),
        (
            ("drain", "a", "--no-wait", "--timeout", "2"),
            Order(verb=Verb.DRAIN, names=("a",), wait=False, timeout=2.0),
        ),
        (("pause", "a", "b"), Order(verb=Verb.PAUSE, names=("a", "b"))),
        (("resume", "a"), Order(verb=Verb.RESUME, names=("a",))),
        (("scale", "a=4"), Order(verb=Verb.SCALE, names=("a",), instances=4)),
        (
            ("scale", "a=1", "--no-wait"),
            Order(verb=Verb.SCALE, names=("a",), instances=1, wait=False),
        ),
        (("reset", "a", "b"), Order(verb=Verb.RESET, names=("a", "b"))),
        (("signal", "hup", "a"), Order(verb=Verb.SIGNAL, names=("a",), signal="SIGHUP")),
        (("signal", "SIGUSR1", "a"), Order(verb=Verb.SIGNAL, names=("a",), signal="SIGUSR1")),
        (("signal", "9", "a"), Order(verb=Verb.SIGNAL, names=("a",), signal="SIGKILL")),
        (("wait", "a"), Order(verb=Verb.WAIT, names=("a",), until=Until.READY)),
        (
            ("wait", "a", "--for", "exited", "--timeout", "1"),
            Order(verb=Verb.WAIT, names=("a",), until=Until.EXITED, timeout=1.0),
        ),
    ],
)
def test_a_command_is_one_order(oxtrio, client, words, order: Order):
    code, _, err = oxtrio(*words)

    assert (code, err) == (0, "")
    assert client.orders == [order]


@pytest.mark.parametrize("verb", ["start", "restart", "reload"])
def test_the_environment_is_sent_only_when_asked(oxtrio, client, monkeypatch, verb: str):
    monkeypatch.setenv("COLOUR_OF_THE_DAY", "blue")

    oxtrio(verb)
    oxtrio(verb, "--update-env")

    assert client.orders[0].env is None
    assert ("COLOUR_OF_THE_DAY", "blue") in (client.orders[1].env or ())


def test_what_can_no_longer_happen_is_said(oxtrio, client):
    client.answers = [Report(failures=(Failure(name="api", reason="it was given up"),))]

    code, _, err = oxtrio("wait", "api", "--for", "healthy")

    assert code == 1
    assert err == "error: api will not be healthy: it was given up\n"


GAP = "a reload of api means a gap: nothing holds its address; write: listen = ..."


def test_a_failed_reload_shows_the_reason_the_last_lines_and_the_hint_of_each(oxtrio, client):
    failures = (
        Failure(
            name="api:0",
            reason="the newcomer was not ready within 60 s: 503 Service Unavailable",
            hint="the old api:0 runs on",
            last_lines=("starting", "  waiting for the database"),
        ),
        Failure(name="web", reason="the newcomer exited: exit code 1", last_lines=("boom",)),
    )
    client.answers = [
        Step(name="api:0", state="reloading", reason="waiting for health 0/1"),
        Report(done=(Step(name="api:0", state="running", pid=7),), failures=failures, notes=(GAP,)),
    ]

    code, out, err = oxtrio("reload")

    assert (code, out) == (1, "api:0: running (pid 7)\n")
    assert err.splitlines() == [
        f"note: {GAP}",
        "error: cannot reload api:0: the newcomer was not ready within 60 s: 503 Service "
        "Unavailable",
        "    starting",
        "      waiting for the database",
        "hint: the old api:0 runs on",
        "error: cannot reload web: the newcomer exited: exit code 1",
        "    boom",
    ]


def test_a_reload_that_worked_says_on_stderr_that_it_was_a_gap(oxtrio, client):
    client.answers = [Report(done=(Step(name="api", state="running", pid=7),), notes=(GAP,))]

    assert oxtrio("reload") == (0, "api: running (pid 7)\n", f"note: {GAP}\n")


@pytest.mark.parametrize(
    "words", [("scale", "a=2"), ("drain", "a"), ("resume", "a"), ("pause", "a")]
)
def test_what_cannot_be_done_to_an_app_is_said(oxtrio, client, words):
    client.answers = [Report(failures=(Failure(name="a", reason="because"),))]

    code, _, err = oxtrio(*words)

    assert (code, err) == (1, f"error: cannot {words[0]} a: because\n")


STACK = config(
    spec("db", tags=("data",)),
    spec("api", instances=2, depends_on=(("db", None),)),
    spec("tests", enabled=False),
)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ((), "Would start: db, api (×2 instances)"),
        (("api",), "Would start: db, api (×2 instances)"),
        (("tests",), "Would start: tests"),
        (("tag:data",), "Would start: db"),
        (("a*",), "Would start: db, api (×2 instances)"),
    ],
)
def test_a_preview_names_dependencies_too(names, line: str):
    assert preview.would_start(STACK, names) == line


@pytest.mark.parametrize("name", ["db", "api:1", "tag:data", "a*", "all"])
def test_a_name_that_means_something_is_accepted(name: str):
    preview.check_names(STACK, [name])


@pytest.mark.parametrize("name", ["dbb", "api:2", "tag:none", "x*", "api:one"])
def test_a_name_that_means_nothing_is_refused(name: str):
    with pytest.raises(NotFound, match=name.replace("*", r"\*")):
        preview.check_names(STACK, [name])
