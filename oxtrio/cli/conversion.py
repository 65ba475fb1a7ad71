"""Values of the command line, turned into what commands take, without Pydantic.

Newer versions of typer convert every value by Pydantic, whose import takes as long as all else
that `oxtrio status` does. Commands here take only words, numbers and lists of words, for
which the lines below do the same. Other versions of typer are left alone.
"""

from typing import Any, get_args, get_origin

import typer


def without_pydantic(params: list[Any]) -> list[Any]:
    """*params*, which convert by `PlainValue` where this typer has such a thing to replace."""
    for param in params:
        described = getattr(param, "type_descriptor", None)
        if described is not None and getattr(param, "_runtime_param", described) is None:
            param._runtime_param = PlainValue(described.annotation)
    return params


class PlainValue:
    """Converts one value to *annotation*; a wrong one is a usage error that names the option."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if get_origin(self.annotation) is list:
            [kind] = get_args(self.annotation)
            return [self._one(kind, item, param, ctx) for item in value or ()]
        return None if value is None else self._one(self.annotation, value, param, ctx)

    def _one(self, kind: Any, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return kind(value)
        except ValueError:
            wanted = "a number" if kind in {int, float} else f"a {kind.__name__}"
            raise typer.BadParameter(f"'{value}' is not {wanted}", ctx=ctx, param=param) from None
