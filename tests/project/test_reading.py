"""From a project to its config, with the facts of this machine."""

import os
import resource

import pytest

from oxtrio.errors import ConfigError
from oxtrio.project.facts import gather
from oxtrio.project.locate import Project, locate
from oxtrio.project.reading import load_project


def test_the_facts_are_those_of_this_process():
    facts = gather({"HOME": "/home/ann", "A": "1"})

    assert facts.environ["A"] == "1"
    assert facts.home == "/home/ann"
    assert facts.cpus == len(os.sched_getaffinity(0))
    assert facts.root is (os.geteuid() == 0)
    assert facts.rlimits["nofile"] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_an_oxfile_is_read_with_the_callers_environment(home, environ):
    (home / "shop" / "oxfile.toml").write_text(
        "[processes.web]\ncommand = 'x'\nenv = { A = '${B}' }\nworking_dir = '~'"
    )

    [app] = load_project(locate([], None, environ), {**environ, "B": "2"}).apps

    assert app.env == (("A", "2"),)
    assert app.working_dir == str(home)


def test_every_problem_is_told(home, environ):
    (home / "shop" / "oxfile.toml").write_text("a = 1\nb = 2")

    with pytest.raises(ConfigError, match=r"oxfile\.toml is not valid: 2 problems"):
        load_project(locate([], None, environ), environ)


def test_a_project_without_an_oxfile_has_no_config(environ):
    project = Project(files=(), identity="@x", id="x-1")

    with pytest.raises(ConfigError, match="has no oxfile"):
        load_project(project, environ)
