"""Which apps an operator means."""

from dataclasses import replace

import pytest

from oxtrio.model.spec import AppSpec
from oxtrio.policy.naming import means, means_all, suggest

API = AppSpec(name="api", command="x", working_dir="/", tags=("web", "eu"), namespace="shop")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("api", True),
        ("api:1", True),
        ("api:0", False),
        ("api:*", True),
        ("a*", True),
        ("*", True),
        ("b*", False),
        ("tag:web", True),
        ("tag:w*", False),
        ("shop", True),
        ("ap", False),
        ("API", False),
        ("[a]pi", True),
    ],
)
def test_a_name_means_an_app_a_number_a_tag_a_namespace_or_a_glob(name: str, meant: bool):
    assert means(name, API, 1) is meant


def test_a_disabled_app_is_only_meant_by_its_own_name():
    off = replace(API, enabled=False)

    assert means("api", off, 0)
    assert means("api:0", off, 0)
    assert not any(means(name, off, 0) for name in ("a*", "tag:web", "shop"))


def test_no_name_and_all_mean_everything():
    assert means_all(())
    assert means_all(("x", "all"))
    assert not means_all(("x",))


def test_a_wrong_name_is_corrected_or_the_right_ones_are_listed():
    assert suggest("wrker:1", ["api", "worker"]) == "did you mean worker?"
    assert suggest("zzz", ["api", "worker"]) == "there are: api, worker"
    assert suggest("zzz", []) == "the project has no apps"
