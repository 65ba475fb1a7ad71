"""Which file the output of an instance goes to."""

import os
from dataclasses import dataclass

from oxtrio.model.log import Stream
from oxtrio.model.spec import AppSpec

_INSTANCE = "${instance}"


@dataclass(frozen=True, slots=True)
class Route:
    """Where output goes; *instance* or *stream* is None where the file holds that of several."""

    path: str
    instance: int | None
    stream: Stream | None

    @property
    def shared(self) -> bool:
        """Several writers append to this file, so each must write whole lines."""
        return self.instance is None or self.stream is None


def route_of(app: AppSpec, instance: int, stream: Stream, folder: str | None) -> Route | None:
    """The file for this output, or None: *folder* is where logs without a name go, if any."""
    outputs = {each: _named(app, each, folder) for each in Stream}
    path = outputs[stream]
    if path is None:
        return None
    own = app.instances == 1 or _INSTANCE in path
    return Route(
        path=path.replace(_INSTANCE, str(instance)),
        instance=instance if own else None,
        stream=None if outputs[Stream.STDOUT] == outputs[Stream.STDERR] else stream,
    )


def routes_of(app: AppSpec, folder: str | None) -> tuple[Route, ...]:
    """Every file that holds output of *app*, each once."""
    routes = {
        route.path: route
        for instance in range(app.instances)
        for stream in Stream
        if (route := route_of(app, instance, stream, folder))
    }
    return tuple(routes.values())


def _named(app: AppSpec, stream: Stream, folder: str | None) -> str | None:
    if stream is Stream.STDERR and app.logs.error_file is not None:
        return app.logs.error_file
    if app.logs.file is not None:
        return app.logs.file
    return None if folder is None else os.path.join(folder, f"{app.name}.log")
