"""What the shell offers after Tab."""

from typing import Any

from oxtrio.errors import OxtrioError


def complete_names(ctx: Any, incomplete: str) -> list[str]:
    """Names of apps in the oxfile; none where it cannot be read, as nobody can be told why."""
    from oxtrio.cli.target import Target

    outer = ctx.parent.params if ctx.parent else {}
    target = Target().narrowed(outer.get("config"), outer.get("project"))
    target = target.narrowed(ctx.params.get("config"), ctx.params.get("project"))
    try:
        config = target.config()
    except OxtrioError:
        return []
    return [app.name for app in config.apps if app.name.startswith(incomplete)]
