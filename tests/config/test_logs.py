"""Where output goes, and how its files are rotated."""

import pytest

from oxtrio.model.spec import LogSpec, WhenFull
from tests.config.reading import app_of, app_problems, config_of, problems_of


def test_without_a_word_everything_is_usual():
    assert app_of("").logs == LogSpec()


def test_every_key_is_read():
    logs = app_of(
        "log_file = 'logs/${instance}.log'\nerror_log_file = '~/err.log'\nlog_date_format = 'iso'\n"
        "[processes.app.logs]\nmax_size_mb = 0.5\nmax_files = 7\ncompress = true\n"
        "when_full = 'block'\nto = ['file']"
    ).logs

    assert logs == LogSpec(
        file="/srv/shop/logs/${instance}.log",
        error_file="/home/ann/err.log",
        date_format="iso",
        max_size=524_288,
        max_files=7,
        compress=True,
        when_full=WhenFull.BLOCK,
    )


def test_a_tiny_size_is_still_one():
    assert app_of("[processes.app.logs]\nmax_size_mb = 1e-9").logs.max_size == 1


def test_stderr_that_goes_where_stdout_goes_needs_no_file_of_its_own():
    assert app_of("log_file = 'x.log'\nerror_log_file = './x.log'").logs == LogSpec(
        file="/srv/shop/x.log"
    )


def test_the_top_level_gives_defaults_key_by_key():
    one, two = config_of(
        "[logging]\nmax_size_mb = 1\nmax_files = 2\nlog_date_format = 'iso'\ncompress = true\n"
        "[processes.one]\ncommand = 'x'\nlog_date_format = '%H'\nlogs = { max_files = 3 }\n"
        "[processes.two]\ncommand = 'x'"
    ).apps

    assert one.logs == LogSpec(max_size=1_048_576, max_files=3, date_format="%H", compress=True)
    assert two.logs == LogSpec(max_size=1_048_576, max_files=2, date_format="iso", compress=True)


@pytest.mark.parametrize(
    "line", ["max_size_mb = 0", "max_files = 0", "compress = 1", "when_full = 'wait'", "size = 1"]
)
@pytest.mark.parametrize("header", ["[processes.app.logs]", "[logging]"])
def test_what_is_wrong_is_told(header, line):
    [problem] = app_problems(f"{header}\n{line}")

    assert problem.startswith(f"oxfile.toml:4: {header.strip('[]')}: ")


class TestSharedFiles:
    def test_two_apps_cannot_write_to_one_file(self):
        assert problems_of(
            "[processes.a]\ncommand='x'\nlog_file='/var/log/x.log'\n"
            "[processes.b]\ncommand='x'\nlog_file='/var/log/../log/x.log'\n"
            "[processes.c]\ncommand='x'\nerror_log_file='/var/log/x.log'\n"
        ) == [
            "oxfile.toml:6: processes.b: log_file is the log file of a too: /var/log/x.log",
            "oxfile.toml:9: processes.c: error_log_file is the log file of a too: /var/log/x.log",
        ]

    def test_nor_to_that_of_one_of_its_instances(self):
        [problem] = problems_of(
            "[processes.a]\ncommand='x'\ninstances=3\nlog_file='x-${instance}.log'\n"
            "[processes.b]\ncommand='x'\nlog_file='x-2.log'\n"
        )

        assert "log_file is the log file of a too: /srv/shop/x-2.log" in problem

    @pytest.mark.parametrize(
        "text",
        [
            "[processes.a]\ncommand='x'\ninstances=3\nlog_file='x-${instance}.log'\n"
            "[processes.b]\ncommand='x'\nlog_file='x-3.log'\n",
            "[processes.a]\ncommand='x'\nlog_file='/dev/stdout'\n"
            "[processes.b]\ncommand='x'\nlog_file='/dev/stdout'\n",
            "[processes.a]\ncommand='x'\ninstances=3\nlog_file='x.log'\n",
            "[processes.a]\ncommand='x'\nlog_file='a.log'\n"
            "[processes.b]\ncommand='x'\nlog_file='b.log'\n",
        ],
    )
    def test_everything_else_is_fine(self, text):
        assert config_of(text)
