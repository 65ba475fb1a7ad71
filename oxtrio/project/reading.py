"""From a project to its config."""

from collections.abc import Mapping

from oxtrio.config.load import load
from oxtrio.errors import ConfigError
from oxtrio.model.spec import Config
from oxtrio.project.facts import gather
from oxtrio.project.locate import Project
from oxtrio.project.oxfile import read_sources


def load_project(project: Project, environ: Mapping[str, str]) -> Config:
    """What the oxfiles of *project* say now. Raises `ConfigError` with every problem."""
    if not project.files:
        raise ConfigError(f"the project '{project.identity}' has no oxfile")
    return load(read_sources(project.files), gather(environ))
