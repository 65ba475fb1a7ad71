"""Names for specs and environments."""

from dataclasses import replace

from oxtrio.model.plain import from_plain, to_plain
from oxtrio.model.spec import AppSpec, RestartSpec
from oxtrio.policy.versions import version_of, version_of_environment

API = AppSpec(name="api", command="x", working_dir="/", restart=RestartSpec(delay=1))


def test_another_spec_has_another_name():
    versions = {version_of(API), version_of(replace(API, instances=2)), version_of(API)}

    assert len(versions) == 2
    assert all(len(version) == 8 for version in versions)


def test_a_spec_that_was_written_and_read_has_the_name_that_it_had():
    again = from_plain(AppSpec, to_plain(API), strict=True)
    version_of.cache_clear()
    before = version_of(API)
    version_of.cache_clear()

    assert version_of(again) == before


def test_an_environment_has_the_same_name_in_any_order():
    assert version_of_environment({"A": "1", "B": "2"}) == version_of_environment(
        {"B": "2", "A": "1"}
    )
    assert version_of_environment({"A": "1"}) != version_of_environment({"A": "2"})


def test_an_environment_may_hold_what_is_no_text():
    assert version_of_environment({"A": b"\xff".decode(errors="surrogateescape")})
