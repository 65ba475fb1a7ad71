"""Numbers that are written into the oxfile: `scale --save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oxtrio.cli.inspection import as_seen_from_here
from oxtrio.errors import NotFound, OxtrioError

if TYPE_CHECKING:
    from oxtrio.cli.target import Target
    from oxtrio.model.facts import Source


def check(target: Target, name: str, instances: int) -> None:
    """That `save` could do it now; an OxtrioError that says why not."""
    from oxtrio.project.rewriting import check_rewritable

    source, _ = _edited(target, name, instances)
    check_rewritable(source.path)


def save(target: Target, name: str, instances: int) -> None:
    """Write `instances` of the app *name* into its oxfile, where it says anything else."""
    from oxtrio.project.rewriting import rewrite

    source, text = _edited(target, name, instances)
    if text != source.text:
        rewrite(source.path, text)
    print(f"{as_seen_from_here(source.path)}: {name} has instances = {instances}")


def _edited(target: Target, name: str, instances: int) -> tuple[Source, str]:
    """The oxfile that the app *name* stands in, and its text as it is to be."""
    from oxtrio.config.edit import with_instances
    from oxtrio.project.oxfile import read_sources

    files = target.locate().files
    if not files:
        raise OxtrioError("cannot save: the project has no oxfile", "leave out --save")
    for source in read_sources(files):
        text = with_instances(source, name, instances)
        if text is not None:
            return source, text
    shown = " + ".join(map(as_seen_from_here, files))
    raise NotFound(f"cannot save: no app named '{name}' in {shown}")
