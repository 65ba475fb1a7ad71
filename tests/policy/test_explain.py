"""`why` names the cause and the way out, it does not repeat the status."""

from dataclasses import replace
from signal import Signals

import pytest

from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer
from oxtrio.model.listener import Listener
from oxtrio.model.order import Why
from oxtrio.model.spec import (
    AppSpec,
    Condition,
    HealthSpec,
    IdentitySpec,
    OnUnhealthy,
    ReadySpec,
    RestartSpec,
)
from oxtrio.model.state import State
from oxtrio.policy.evidence import Blocker, WhyFacts
from oxtrio.policy.explain import explain

SPEC = AppSpec(name="api", command="uvicorn main:app --port 8000", working_dir="/srv/shop")
CHECKED = replace(SPEC, health=HealthSpec(endpoint="http://127.0.0.1:8000/health"))
GIVEN_UP = WhyFacts(name="api", state=State.CRASHED, spec=SPEC, since="12 s", failures=15)


def failed(*lines: str, code: int = 1, spec: AppSpec = SPEC) -> WhyFacts:
    """An app that was given up, as its last run ended with *code* and *lines*."""
    return replace(GIVEN_UP, exit=Exit(code=code), last_lines=lines, lasted=0.4, spec=spec)


def killed(number: Signals, **also: object) -> WhyFacts:
    exit = Exit(signal=number, core=bool(also.pop("core", False)))
    return replace(GIVEN_UP, exit=exit, lasted=7200, **also)  # type: ignore[arg-type]


def hint_with(why: Why, text: str) -> str:
    [hint] = [hint for hint in why.hints if text in hint]
    return hint


# Programs that are not there


def test_exit_127_names_the_program_and_the_virtual_environment_that_has_it():
    facts = failed("sh: 1: exec: uvicorn: not found", code=127)

    why = explain(replace(facts, in_venv=".venv"))

    assert "not found (exit code 127): there is no program 'uvicorn' in its PATH" in why.text
    assert hint_with(why, "venv") == 'in the oxfile, under [processes.api]: venv = ".venv"'


def test_exit_127_without_a_virtual_environment_says_how_to_get_the_program():
    why = explain(failed(code=127))

    assert "'uvicorn'" in why.text
    assert hint_with(why, "install uvicorn")


def test_exit_127_with_a_virtual_environment_that_lacks_it_installs_into_that():
    why = explain(failed(code=127, spec=replace(SPEC, venv="/srv/shop/.venv")))

    assert "/srv/shop/.venv/bin/pip install uvicorn" in why.hints


def test_exit_127_of_a_path_tells_from_where_it_was_looked_for():
    why = explain(failed("sh: 1: exec: bin/serve: not found", code=127))

    assert "no 'bin/serve', seen from /srv/shop" in why.text
    assert "ls -l bin/serve" in why.hints


def test_exit_126_names_the_file_and_makes_it_executable():
    why = explain(failed("sh: 1: exec: ./run.sh: Permission denied", code=126))

    assert "'./run.sh' lacks the permission to execute" in why.text
    assert "chmod +x ./run.sh" in why.hints
    assert hint_with(why, "#!")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("working_dir '/srv/shop' does not exist", "mkdir -p /srv/shop"),
        ("'/srv/shop/run' is not executable: permission denied", "chmod +x uvicorn"),
        ("user 'shop' does not exist", "correct user and group"),
        ("the interpreter '/no/python' of 'run' does not exist", "#! line"),
        ("command 'uvicorn' not found", "install uvicorn"),
    ],
)
def test_a_failed_spawn_is_told_with_what_to_do(error: str, hint: str):
    why = explain(replace(GIVEN_UP, exit=Exit(spawn_error=error)))

    assert f"It could not be started: {error}." in why.text
    assert hint_with(why, hint)


def test_a_failed_spawn_of_another_kind_is_told_as_it_is():
    why = explain(replace(GIVEN_UP, exit=Exit(spawn_error="too many open files")))

    assert "It could not be started: too many open files." in why.text


def test_a_missing_env_file_is_named():
    error = "/srv/shop/.env: No such file or directory"

    why = explain(replace(GIVEN_UP, env_file_error=error))

    assert f"an env file cannot be read: {error}" in why.text
    assert hint_with(why, "env_file").startswith("create /srv/shop/.env")


# What Python says


def test_a_missing_package_is_named_with_how_to_install_it():
    why = explain(failed("ModuleNotFoundError: No module named 'fastapi.routing'"))

    assert "could not import the Python module 'fastapi.routing'" in why.text
    assert "It ended with exit code 1 after 0.4 s." in why.text
    assert hint_with(why, "pip install") == "pip install fastapi"
    assert hint_with(why, "PYTHONPATH")


def test_a_missing_package_is_installed_into_the_virtual_environment_of_the_app():
    spec = replace(SPEC, venv="/srv/shop/.venv")

    why = explain(failed("ModuleNotFoundError: No module named 'fastapi'", spec=spec))

    assert why.hints[0] == "/srv/shop/.venv/bin/pip install fastapi"


def test_a_missing_package_where_a_virtual_environment_is_at_hand_names_its_line():
    facts = failed("ModuleNotFoundError: No module named 'fastapi'")

    why = explain(replace(facts, in_venv="venv"))

    assert why.hints[0] == 'in the oxfile, under [processes.api]: venv = "venv"'


def test_a_missing_module_that_the_command_names_is_a_matter_of_the_folder():
    why = explain(failed('ERROR:    Error loading ASGI app. Could not import module "main".'))

    assert "'main', which its command names and which is not in /srv/shop" in why.text
    assert hint_with(why, "working_dir")


def test_a_tool_that_is_run_as_a_module_is_installed_not_looked_for():
    spec = replace(SPEC, command="python -m uvicorn main:app")

    why = explain(failed("/usr/bin/python: No module named uvicorn", spec=spec))

    assert "pip install uvicorn" in why.hints


def test_a_name_that_a_module_lacks_is_told():
    line = 'ERROR:    Error loading ASGI app. Attribute "app" not found in module "main".'

    assert "nothing called 'app' in 'main'" in explain(failed(line)).text


def test_a_syntax_error_is_told_with_its_place():
    why = explain(failed('  File "/srv/main.py", line 3', "SyntaxError: invalid syntax"))

    assert "an error at /srv/main.py:3: `SyntaxError: invalid syntax`" in why.text


def test_a_file_that_may_not_be_used_is_told_with_the_user():
    spec = replace(SPEC, identity=IdentitySpec(user="shop"))
    line = "PermissionError: [Errno 13] Permission denied: '/var/log/shop.log'"

    why = explain(failed(line, spec=spec))

    assert "may not use '/var/log/shop.log', running as user 'shop'" in why.text
    assert "ls -ld /var/log/shop.log" in why.hints


def test_any_other_exception_is_quoted():
    lines = ("Traceback (most recent call last):", '  File "a.py", line 1', "KeyError: 'colour'")

    assert "exit code 1 and the exception `KeyError: 'colour'`" in explain(failed(*lines)).text


def test_an_exit_without_a_word_is_told_as_it_is():
    why = explain(failed("bye", code=3))

    assert "Its last run ended with exit code 3." in why.text


def test_an_exit_that_nobody_saw_is_told_as_unknown():
    assert "nobody knows how" in explain(replace(GIVEN_UP, exit=Exit())).text


# Addresses

IN_USE = (
    "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): "
    "address already in use"
)


def test_an_address_in_use_names_the_process_that_has_it():
    nginx = Listener(address="0.0.0.0:8000", pid=4242, name="nginx", uid=0, command="nginx -g x")

    why = explain(replace(failed(IN_USE), listener=nginx))

    assert "0.0.0.0:8000: the address is in use by nginx (pid 4242), `nginx -g x`" in why.text
    assert hint_with(why, "kill 4242")


def test_an_address_in_use_by_a_process_of_another_user_names_the_user():
    stranger = Listener(address="0.0.0.0:8000", pid=None, uid=33)

    why = explain(replace(failed(IN_USE), listener=stranger))

    assert "in use by a process of uid 33" in why.text
    assert not [hint for hint in why.hints if "kill" in hint]


def test_an_address_in_use_by_nobody_who_can_be_found_says_how_to_look():
    why = explain(failed(IN_USE))

    assert "could not listen on 0.0.0.0:8000" in why.text
    assert "ss -ltnp 'sport = :8000'" in why.hints


def test_an_address_in_use_that_nothing_names_is_still_told():
    spec = replace(SPEC, command="./serve")

    why = explain(failed("OSError: [Errno 98] Address already in use", spec=spec))

    assert "could not listen on its address" in why.text
    assert "ss -ltnp" in why.hints


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("listen tcp :8080: bind: address already in use", "port 8080"),
        ("listen EADDRINUSE: address already in use :::3000", "[::]:3000"),
    ],
)
def test_an_address_is_written_as_operators_write_it(line: str, shown: str):
    assert f"could not listen on {shown}:" in explain(failed(line)).text


def test_a_database_that_refuses_is_named():
    line = "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)"

    why = explain(failed(line))

    assert "could not connect to PostgreSQL at 127.0.0.1:5432: connection refused" in why.text
    assert hint_with(why, "depends_on")


def test_a_server_that_refuses_without_a_name_is_told():
    why = explain(failed("httpx.ConnectError: [Errno 111] Connection refused"))

    assert "could not connect to a server that it needs" in why.text


# Signals


def test_a_kill_that_nobody_here_sent_says_so_and_what_memory_was_used():
    why = explain(killed(Signals.SIGKILL, memory_at_end=900 * 1024 * 1024))

    assert "killed by SIGKILL, which oxtrio did not send" in why.text
    assert "It used 900 MB then. It had run for 2 h." in why.text
    assert hint_with(why, "dmesg")


def test_a_kill_with_evidence_blames_memory():
    why = explain(killed(Signals.SIGKILL, oom=True))

    assert "killed by the kernel because memory ran out" in why.text
    assert hint_with(why, "memory_mb")


def test_a_kill_inside_a_shell_shows_in_the_exit_code():
    why = explain(replace(failed(code=137), oom=True))

    assert "exit code 137: a process in it was killed by SIGKILL" in why.text
    assert "memory ran out" in why.text


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (Signals.SIGSEGV, "a bug in a C extension"),
        (Signals.SIGABRT, "it gave up by itself"),
        (Signals.SIGBUS, "a file that was cut short"),
        (Signals.SIGTERM, "ended by SIGTERM, sent not by oxtrio"),
    ],
)
def test_a_fatal_signal_is_told_with_its_meaning(number: Signals, meaning: str):
    assert meaning in explain(killed(number)).text


def test_a_core_file_is_mentioned():
    assert "core file" in explain(killed(Signals.SIGSEGV, core=True)).text


# What oxtrio did


def test_a_run_over_its_memory_limit_names_the_limit():
    facts = replace(
        GIVEN_UP,
        state=State.BACKOFF,
        exit=Exit(signal=Signals.SIGTERM, sent_by_us=True),
        ended_because="memory 612 MB > 512 MB",
        next_in=3,
        failures=1,
    )

    why = explain(facts)

    assert "oxtrio ended its last run: memory 612 MB > 512 MB." in why.text
    assert hint_with(why, "memory_mb")


def test_a_run_over_its_cpu_limit_names_the_limit():
    why = explain(replace(GIVEN_UP, ended_because="cpu 150 % > 100 % over 60 s"))

    assert hint_with(why, "cpu_percent")


def test_a_run_that_never_became_ready_names_the_last_answer_once():
    because = "health check did not pass within 60 s: connection refused"
    facts = replace(
        GIVEN_UP,
        spec=CHECKED,
        ended_because=because,
        last_health=Answer(False, "connection refused"),
    )

    why = explain(facts)

    assert why.text.count("connection refused") == 1
    assert "curl -i http://127.0.0.1:8000/health" in why.hints


def test_the_password_of_an_endpoint_is_for_its_server_alone():
    endpoint = "http://shop:s3c:r@t@127.0.0.1:8000/a@b"
    spec = replace(SPEC, health=HealthSpec(endpoint=endpoint))

    why = explain(replace(GIVEN_UP, spec=spec, ended_because="health check failed: timed out"))

    assert "curl -i http://shop:…@127.0.0.1:8000/a@b" in why.hints


def test_a_health_command_is_named():
    spec = replace(SPEC, health=HealthSpec(command=("redis-cli", "ping")))

    why = explain(replace(GIVEN_UP, spec=spec, ended_because="health check failed: exit code 1"))

    assert "the health check is: redis-cli ping" in why.hints


# States


def test_backoff_tells_when_it_starts_and_how_many_failures_it_may_have():
    facts = replace(failed(code=3), state=State.BACKOFF, next_in=3.2, failures=4)

    why = explain(facts)

    assert "waiting to be started again for 12 s" in why.text
    assert "It starts again in 3.2 s; this was failure 4 of 15 that it is allowed." in why.text


def test_backoff_without_a_limit_says_that_it_is_never_given_up():
    spec = replace(SPEC, restart=RestartSpec(limit=0))
    facts = replace(failed(spec=spec), state=State.BACKOFF, next_in=3, failures=40)

    assert "failure 40 in a row, and it is never given up" in explain(facts).text


def test_backoff_after_a_success_that_is_always_restarted():
    spec = replace(SPEC, restart=RestartSpec(always=True))
    facts = replace(failed(code=0, spec=spec), state=State.BACKOFF, failures=0)

    text = explain(facts).text

    assert "ended with exit code 0 after 0.4 s, which counts as success" in text
    assert "It starts again now." in text


def test_crashed_tells_how_to_begin_anew():
    why = explain(failed(code=3))

    assert why.text.startswith("api crashed 12 s ago.")
    assert "given up after 15 failures in a row" in why.text
    assert why.hints[-1].startswith("oxtrio restart api")


def test_crashed_tells_the_last_answer_of_its_health_check():
    facts = replace(failed(code=3), last_health=Answer(False, "timed out after 5 s"))

    assert "health check: timed out after 5 s" in explain(facts).text


def test_crashed_with_a_reason_only_gives_that():
    text = explain(replace(GIVEN_UP, reason="its dependency failed", failures=1)).text

    assert "Its dependency failed. It was given up." in text


def test_a_one_shot_that_failed_says_why_nothing_follows():
    spec = replace(SPEC, restart=RestartSpec(always=False))

    assert "one-shot" in explain(failed(spec=spec)).text


def test_blocked_names_the_dependency_its_state_and_its_reason():
    blocker = Blocker(
        name="db",
        state=State.CRASHED,
        condition=Condition.READY,
        reason="command not found: postgres",
    )
    facts = WhyFacts(name="api", state=State.BLOCKED, spec=SPEC, blocked_on=blocker)

    why = explain(facts)

    assert "It needs db to be ready first" in why.text
    assert "db is crashed: command not found: postgres" in why.text
    assert why.hints == ("oxtrio why db", "oxtrio restart db")


def test_blocked_by_what_is_still_on_its_way_only_points_there():
    blocker = Blocker(name="db", state=State.STARTING)
    facts = WhyFacts(name="api", state=State.BLOCKED, spec=SPEC, blocked_on=blocker)

    assert explain(facts).hints == ("oxtrio why db",)


def test_unhealthy_tells_the_answers_and_that_a_restart_follows():
    facts = WhyFacts(
        name="api",
        state=State.UNHEALTHY,
        spec=CHECKED,
        reason="3 health checks in a row failed: 500 Internal Server Error",
        last_health=Answer(False, "500 Internal Server Error"),
    )

    why = explain(facts)

    assert why.text.count("500 Internal Server Error") == 1
    assert "It is being restarted." in why.text


def test_unhealthy_that_is_left_alone_says_so():
    assert CHECKED.health is not None
    spec = replace(SPEC, health=replace(CHECKED.health, on_unhealthy=OnUnhealthy.NOTHING))

    why = explain(WhyFacts(name="api", state=State.UNHEALTHY, spec=spec))

    assert "left running" in why.text
    assert "oxtrio restart api" in why.hints


def test_starting_tells_what_it_waits_for():
    plain = WhyFacts(name="api", state=State.STARTING, spec=SPEC)
    checked = replace(plain, spec=CHECKED, last_health=Answer(False, "connection refused"))

    assert "when it has run for 1 s" in explain(plain).text
    assert "has not passed yet; it is given 1 min from the start" in explain(checked).text
    assert "health check: connection refused" in explain(checked).text


def test_starting_tells_what_the_app_itself_is_to_say():
    ready = ReadySpec(notify=True, log_line="^up$", period=20)
    spec = replace(SPEC, ready=ready)

    why = explain(WhyFacts(name="api", state=State.STARTING, spec=spec, since="2 s"))

    assert "READY=1" in why.text
    assert "'^up$'" in why.text
    assert "20 s" in why.text
    assert "has run for" not in why.text


def test_starting_again_tells_why_it_ended_before():
    facts = replace(failed(code=3), state=State.STARTING, restarts=1)

    assert "ended with exit code 3" in explain(facts).text


def test_running_after_restarts_tells_the_last_end():
    calm = WhyFacts(name="api", state=State.RUNNING, spec=SPEC, since="2 d")
    again = replace(killed(Signals.SIGKILL), state=State.RUNNING, restarts=1)

    assert explain(calm).text == "api has been running for 2 d."
    assert "restarted once" in explain(again).text
    assert "restarted 3 times" in explain(replace(again, restarts=3)).text
    assert "SIGKILL" in explain(again).text


def test_the_words_of_a_run_that_lives_do_not_explain_the_end_of_another():
    said = "ModuleNotFoundError: No module named 'fastapi'"
    again = replace(failed("ValueError: harmless"), state=State.RUNNING, restarts=1)

    assert "harmless" not in explain(again).text
    assert "'fastapi'" in explain(replace(again, lines_at_end=(said,))).text


def test_stopped_tells_by_whom():
    never = WhyFacts(name="api", state=State.STOPPED, spec=SPEC)
    asked = replace(never, exit=Exit(signal=Signals.SIGTERM, sent_by_us=True))

    assert "not been started yet" in explain(never).text
    assert "An operator stopped it" in explain(asked).text
    assert "The project stops." in explain(replace(asked, reason="the project stops")).text
    assert "oxtrio start api" in explain(asked).hints


def test_stopped_tells_that_it_took_more_than_the_stop_signal():
    facts = WhyFacts(name="api", state=State.STOPPED, spec=SPEC)
    killed = replace(facts, exit=Exit(signal=Signals.SIGKILL, sent_by_us=True))

    assert "had not ended by SIGTERM, so it got SIGKILL" in explain(killed).text


def test_stopped_tells_that_the_oxfile_disables_it():
    facts = WhyFacts(name="api", state=State.STOPPED, spec=replace(SPEC, enabled=False))

    assert "`enabled = false`" in explain(facts).text


def test_exited_tells_what_is_left_of_it():
    facts = replace(failed(code=0), state=State.EXITED, leftovers=2)

    why = explain(facts)

    assert "api ended as it was meant to 12 s ago." in why.text
    assert "Of its last run 2 processes are left." in why.text
    assert hint_with(why, "oxtrio stop api")


def test_exited_tells_that_a_one_shot_is_done():
    spec = replace(SPEC, restart=RestartSpec(always=False))

    assert (
        "It is a one-shot" in explain(replace(failed(code=0, spec=spec), state=State.EXITED)).text
    )


@pytest.mark.parametrize(
    ("state", "said", "hint"),
    [
        (State.PAUSED, "got SIGSTOP", "oxtrio signal SIGCONT api"),
        (State.STUCK, "although it was sent SIGKILL", "ps -o pid,stat,wchan:30,args -p 77"),
        (State.STOPPING, "sent SIGTERM; SIGKILL follows 10 s later", "oxtrio logs -f api"),
        (State.RELOADING, "until a newcomer is ready", "oxtrio logs -f api"),
        (State.DRAINED, "no new connections", "oxtrio resume api"),
        (State.BLOCKED, "waiting for a dependency", "oxtrio status"),
    ],
)
def test_every_other_state_is_told_with_a_way_on(state: State, said: str, hint: str):
    why = explain(WhyFacts(name="api", state=state, spec=SPEC, pid=77))

    assert said in why.text
    assert hint in why.hints


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_explanation_in_one_paragraph(state: State):
    why = explain(WhyFacts(name="api:1", state=state, spec=SPEC, last_lines=("a", "b")))

    assert why.text.startswith("api:1 ")
    assert why.text.endswith(".")
    assert "\n" not in why.text
    assert (why.state, why.last_lines) == (state, ("a", "b"))
