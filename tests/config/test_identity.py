"""Whom an app runs as, and what it may use of the system."""

from dataclasses import replace

import pytest

from oxtrio.model.spec import IdentitySpec
from tests.config.reading import FACTS, UNPRIVILEGED, app_of, app_problems


def test_root_may_set_everything():
    identity = app_of(
        "user = 'ann'\ngroup = 'www'\ngroups = ['adm', 'video']\nnice = -5\noom_score_adj = -100\n"
        "umask = '027'"
    ).identity

    assert identity == IdentitySpec(
        user="ann",
        group="www",
        groups=("adm", "video"),
        nice=-5,
        oom_score_adj=-100,
        umask=0o027,
    )


@pytest.mark.parametrize("line", ["user = 'ann'", "group = 'www'", "groups = []"])
def test_nobody_else_may_change_who_an_app_is(line):
    key = line.partition(" ")[0]

    assert app_problems(line, facts=UNPRIVILEGED) == [
        f"oxfile.toml:3: processes.app: {key} can only be set by root "
        "(start oxtrio as root, or remove it)"
    ]


@pytest.mark.parametrize("line", ["nice = -1", "oom_score_adj = -1"])
def test_nobody_else_may_put_an_app_before_others(line):
    [problem] = app_problems(line, facts=UNPRIVILEGED)

    assert "below 0 can only be set by root" in problem


@pytest.mark.parametrize("line", ["nice = 0", "nice = 19", "oom_score_adj = 500", "umask = '077'"])
def test_everybody_may_put_it_behind(line):
    assert app_of(line, facts=UNPRIVILEGED)


@pytest.mark.parametrize(
    "line",
    [
        "user = ''",
        "user = 1000",
        "groups = 'adm'",
        "groups = ['']",
        "nice = 20",
        "nice = -21",
        "nice = 1.5",
        "oom_score_adj = 1001",
        "umask = '8'",
        "umask = '0x1'",
        "umask = '01000'",
        "umask = ''",
        "umask = 0o1000",
        "umask = -1",
        "umask = true",
        "umask = 1.0",
    ],
)
def test_what_makes_no_sense_is_refused(line):
    [problem] = app_problems(line)

    assert f"{line.partition(' ')[0]} must be" in problem


@pytest.mark.parametrize(
    ("written", "mask"),
    [("'022'", 0o022), ("'22'", 0o022), ("'0o022'", 0o022), ("0o022", 0o022), ("0", 0), ("'0'", 0)],
)
def test_a_mask_is_octal(written, mask):
    assert app_of(f"umask = {written}").identity.umask == mask


@pytest.mark.parametrize("written", ["22", "+18", "18"])
def test_a_mask_that_is_written_in_decimal_is_a_slip(written):
    assert app_problems(f"umask = {written}") == [
        'oxfile.toml:3: processes.app: umask must be octal (as "022" or 0o022)'
    ]


class TestRlimits:
    @pytest.mark.parametrize(
        ("written", "limit"),
        [
            ("nofile = 1024", ("nofile", 1024, 1024)),
            ("nofile = [512, 1024]", ("nofile", 512, 1024)),
            ("nofile = [512, 'unlimited']", ("nofile", 512, -1)),
            ("core = 'unlimited'", ("core", -1, -1)),
            ("core = 0", ("core", 0, 0)),
        ],
    )
    def test_one_number_is_both_limits(self, written, limit):
        assert app_of(f"[processes.app.rlimits]\n{written}").identity.rlimits == (limit,)

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("nofile = -1", "nofile must be an integer"),
            ("nofile = true", "nofile must be an integer"),
            ("nofile = '1024'", "nofile must be an integer"),
            ("nofile = []", "nofile must be an integer"),
            ("nofile = [1, 2, 3]", "nofile must be an integer"),
            ("nofile = [2, 1]", "(the soft limit is above the hard one)"),
            ("nofile = ['unlimited', 1]", "(the soft limit is above the hard one)"),
            ("nofile = 9223372036854775808", "nofile must be an integer"),
            ("nofiles = 1", "unknown key nofiles (did you mean nofile?)"),
        ],
    )
    def test_anything_else_is_refused(self, line, what):
        [problem] = app_problems(f"[processes.app.rlimits]\n{line}")

        assert problem.startswith("oxfile.toml:4: processes.app.rlimits: ")
        assert what in problem

    @pytest.mark.parametrize("limit", ["5000", "'unlimited'", "[1, 5000]", "[1, 'unlimited']"])
    def test_only_root_goes_beyond_its_own_hard_limit(self, limit):
        text = f"[processes.app.rlimits]\nnofile = {limit}"

        assert app_of(text)
        assert app_problems(text, facts=UNPRIVILEGED) == [
            "oxfile.toml:4: processes.app.rlimits: nofile is above 4096, the hard limit that "
            "oxtrio itself has"
        ]

    @pytest.mark.parametrize("line", ["nofile = 4096", "core = 'unlimited'", "stack = 'unlimited'"])
    def test_everybody_may_use_what_they_have(self, line):
        assert app_of(f"[processes.app.rlimits]\n{line}", facts=UNPRIVILEGED)

    def test_the_older_name_has_the_same_ceiling(self):
        text = "[processes.app.resource_limits]\nmax_open_files = 5000"

        [problem] = app_problems(text, facts=UNPRIVILEGED)

        assert "max_open_files is above 4096" in problem

    def test_they_are_in_order_whatever_the_file_says(self):
        text = "[processes.app.rlimits]\nstack = 1\nas = 2\n[processes.app.resource_limits]\n"

        assert app_of(f"{text}max_open_files = 3").identity.rlimits == (
            ("as", 2, 2),
            ("nofile", 3, 3),
            ("stack", 1, 1),
        )


def test_a_machine_that_tells_no_limits_refuses_none():
    facts = replace(FACTS, root=False, rlimits={})

    assert app_of("[processes.app.rlimits]\nnofile = 'unlimited'", facts=facts)
