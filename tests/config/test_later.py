"""What is planned is refused, never silently ignored."""

import pytest

from oxtrio.config.tables.top import TABLES
from tests.config.reading import app_of, app_problems, problems_of

EVERYWHERE = [
    (table.header.replace("<name>", "app").replace("top level", ""), key.name)
    for table in TABLES
    for key in table.later
]


@pytest.mark.parametrize(("header", "key"), EVERYWHERE)
@pytest.mark.parametrize("value", ["true", "false", "'x'", "['x']", "{ a = 1 }", "1"])
def test_each_key_is_refused_with_its_line(header, key, value):
    text = f"[processes.app]\ncommand = 'x'\n{'' if header == '[processes.app]' else header}\n"
    if not header:
        text = f"{key} = {value}\n[processes.app]\ncommand = 'x'"

    problems = problems_of(text if not header else f"{text}{key} = {value}")

    assert [
        problem for problem in problems if f"{key}" in problem and "not supported yet" in problem
    ]
    assert not [problem for problem in problems if "unknown key" in problem]


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("[processes.app]", "watch"),
        ("[processes.app]", "watch_delay_ms"),
        ("[processes.app]", "schedule"),
        ("[processes.app]", "overlap"),
        ("[processes.app]", "timezone"),
        ("[processes.app]", "cron_restart"),
        ("[processes.app]", "webhook"),
        ("[processes.app]", "pre_start"),
        ("[processes.app]", "post_start"),
        ("[processes.app]", "pre_stop"),
        ("[processes.app]", "post_stop"),
        ("[processes.app]", "pre_reload"),
        ("[processes.app]", "hook_timeout_ms"),
        ("[processes.app]", "stop_command"),
        ("[processes.app]", "tty"),
        ("[processes.app.limits]", "max_age_secs"),
        ("[processes.app.limits]", "max_age_jitter_secs"),
        ("[processes.app.limits]", "max_tasks"),
        ("[processes.app.limits]", "enforce"),
        ("[processes.app.logs]", "to"),
        ("[processes.app.logs]", "level_pattern"),
        ("", "include"),
        ("", "http"),
        ("", "control"),
        ("", "version"),
        ("", "apps"),
        ("", "defaults"),
        ("", "deploy"),
        ("[supervisor]", "include"),
    ],
)
def test_the_list_is_that_of_the_issue(header, key):
    assert (header, key) in EVERYWHERE


def test_a_table_is_refused_as_a_whole():
    assert app_problems("[processes.app.webhook]\nsecret = 'x'\nport = 1") == [
        "oxfile.toml:3: processes.app: webhook is not supported yet"
    ]


def test_the_other_dialect_is_pointed_to_this_one():
    problems = problems_of("version = 1\n[[apps]]\nname = 'a'\ncommand = 'x'")

    assert [problem.partition(" (")[0] for problem in problems] == [
        "oxfile.toml:1: version is not supported yet",
        "oxfile.toml:2: apps is not supported yet",
    ]
    assert all("[processes.<name>]" in problem for problem in problems)


def test_what_this_version_does_anyway_may_be_written():
    assert app_of("logs = { to = ['file'] }")
