"""validate, schema, ls."""

import json as jsonlib
from dataclasses import asdict
from typing import Annotated

import typer

from oxtrio.cli import inspection
from oxtrio.cli.environment import environ
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Json


@verb("validate", examples="oxtrio validate\noxtrio validate -c deploy/oxfile.toml --strict")
def validate(
    context: typer.Context,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings (missing programs, …) are errors.")
    ] = False,
) -> None:
    """Check the oxfile and what it names; nothing is started."""
    inspection.validate(target_of(context), strict=strict)


@verb("schema", examples="oxtrio schema > oxfile.schema.json")
def schema() -> None:
    """Print the JSON Schema of oxfiles, for editors."""
    from oxtrio.config.schema import json_schema

    print(jsonlib.dumps(json_schema(), indent=2, ensure_ascii=False))


@verb("ls", examples="oxtrio ls\noxtrio -p shop status")
def ls(json: Json = False) -> None:
    """List every running project of this user."""
    from oxtrio.project.folders import running

    found = running(environ)
    if json:
        print(jsonlib.dumps([asdict(project) for project in found], indent=2))
    else:
        print("\n".join(inspection.project_table(found)))
