"""What apps may say of one another."""

import pytest

from oxtrio.config.dependencies import cycles
from tests.config.reading import config_of, problems_of


def project(**needs: str) -> str:
    """Apps, each with the value of its `depends_on`."""
    return "".join(
        f"[processes.{name}]\ncommand='x'\n" + (f"depends_on = {value}\n" if value else "")
        for name, value in needs.items()
    )


def test_a_name_that_no_app_has_is_told_with_what_was_meant():
    assert problems_of(project(api="['dbs', 'zzz']", db="")) == [
        "oxfile.toml:3: processes.api: depends_on names dbs, which is no app (did you mean db?)",
        "oxfile.toml:3: processes.api: depends_on names zzz, which is no app",
    ]


def test_an_app_cannot_wait_for_itself():
    assert problems_of(project(a="['a']")) == [
        "oxfile.toml:3: processes.a: depends_on names the app itself"
    ]


def test_a_cycle_is_drawn():
    assert problems_of(project(a="['b']", b="['c']", c="['a']")) == [
        "oxfile.toml:3: processes.a: depends_on is a cycle: a -> b -> c -> a"
    ]


def test_every_cycle_is_told():
    problems = problems_of(project(a="['b']", b="['a']", c="['d']", d="['c', 'a']"))

    assert [problem.partition("cycle: ")[2] for problem in problems] == [
        "a -> b -> a",
        "c -> d -> c",
    ]


def test_a_diamond_is_no_cycle():
    assert config_of(project(a="['b', 'c']", b="['d']", c="['d']", d=""))


def test_a_long_chain_is_no_trouble():
    graph = {f"a{number}": [f"a{number + 1}"] for number in range(5000)}

    assert list(cycles({**graph, "a5000": []})) == []
    assert [len(cycle) for cycle in cycles({**graph, "a5000": ["a0"]})] == [5001]


def test_a_long_cycle_is_drawn_in_short():
    needs = {f"a{number}": f"['a{(number + 1) % 5000}']" for number in range(5000)}

    [problem] = problems_of(project(**needs))

    assert problem.endswith("a17 -> a18 -> (4981 more) -> a0")


def test_many_cycles_are_told_up_to_ten():
    names = [f"a{number}" for number in range(8)]
    needs = {name: str([other for other in names if other != name]) for name in names}

    assert len(problems_of(project(**needs))) == 10


def test_an_app_that_only_says_that_it_is_ready_is_never_healthy():
    [problem] = problems_of(
        project(a="{ b = 'healthy' }", b="[]\nhealth_check = { notify = true }")
    )

    assert problem.endswith("it has no health_check with an endpoint or a command")


@pytest.mark.parametrize(
    ("needs", "what"),
    [
        (
            {"a": "{ b = 'healthy' }", "b": ""},
            'depends_on waits for b to be "healthy", but it has no health_check',
        ),
        (
            {"a": "{ b = 'completed' }", "b": "[]\nrestart_on_exit = true"},
            'depends_on waits for b to be "completed", but it restarts after every exit '
            "(restart_on_exit = false makes b a one-shot)",
        ),
        (
            {"a": "{ b = 'exited' }", "b": "[]\nrestart_on_exit = true"},
            'depends_on waits for b to be "exited", but it restarts after every exit',
        ),
    ],
)
def test_a_condition_that_can_never_come_is_refused(needs, what):
    [problem] = problems_of(project(**needs))

    assert what in problem


@pytest.mark.parametrize(
    "needs",
    [
        {"a": "{ b = 'healthy' }", "b": "[]\nhealth_check = { command = 'x' }"},
        {"a": "{ b = 'completed' }", "b": "[]\nrestart_on_exit = false"},
        {"a": "{ b = 'completed' }", "b": ""},
        {"a": "{ b = 'ready' }", "b": ""},
        {"a": "{ b = 'started' }", "b": "[]\nrestart_on_exit = true"},
    ],
)
def test_one_that_can_come_is_taken(needs):
    assert config_of(project(**needs))
