"""Reads oxfiles from strings."""

from dataclasses import replace

import pytest

from oxtrio.config.load import load
from oxtrio.errors import ConfigError
from oxtrio.model.facts import Facts, Source
from oxtrio.model.spec import AppSpec, Config

FACTS = Facts(
    environ={"HOST": "db.example", "EMPTY": "", "TRICKY": "${HOST} ~ $x"},
    home="/home/ann",
    cpus=3,
    root=True,
    rlimits={"nofile": 4096, "core": -1},
)
UNPRIVILEGED = replace(FACTS, root=False)


def config_of(*texts: str, facts: Facts = FACTS) -> Config:
    """The config of one or several oxfiles in /srv/shop."""
    names = ["oxfile.toml", *(f"more{number}.toml" for number in range(1, len(texts)))]
    sources = [Source(f"/srv/shop/{name}", text) for name, text in zip(names, texts, strict=True)]
    return load(sources, facts)


def app_of(text: str, *, facts: Facts = FACTS) -> AppSpec:
    """The app `app`, of which *text* are the lines after `command`."""
    spec = config_of(f'[processes.app]\ncommand = "serve"\n{text}', facts=facts).app("app")
    assert spec is not None
    return spec


def error_of(*texts: str, facts: Facts = FACTS) -> ConfigError:
    """What is said of oxfiles that are not valid."""
    with pytest.raises(ConfigError) as caught:
        config_of(*texts, facts=facts)
    return caught.value


def problems_of(*texts: str, facts: Facts = FACTS) -> list[str]:
    """The problems as they are shown, the folder left out."""
    return [
        str(problem).removeprefix("/srv/shop/")
        for problem in error_of(*texts, facts=facts).problems
    ]


def app_problems(text: str, *, facts: Facts = FACTS) -> list[str]:
    """The problems of the app `app`, of which *text* are the lines from the third on."""
    return problems_of(f'[processes.app]\ncommand = "serve"\n{text}', facts=facts)
