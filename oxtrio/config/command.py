"""What an app runs, and which placeholders are in it."""

from collections.abc import Sequence

from oxtrio.config.expand import INSTANCE, NO_PORT, PLACEHOLDER, PORT
from oxtrio.config.fields import Fields
from oxtrio.config.keys import Key
from oxtrio.config.suggestion import did_you_mean
from oxtrio.config.tables import sockets
from oxtrio.config.tables.app import COMMAND_KEY
from oxtrio.model.spec import ListenSpec
from oxtrio.policy.command import descriptor

Command = str | tuple[str, ...]

NO_LISTEN = 'needs the key listen, such as listen = "127.0.0.1:8000"'


def read_command(app: Fields, listen: Sequence[ListenSpec]) -> Command:
    """The command of *app*; what it asks to be replaced can be."""
    command = app.take(COMMAND_KEY) or ""
    check_placeholders(app, app, COMMAND_KEY, command)
    names = [spec.name for spec in listen]
    for found in _descriptors_in(command) if app.has(sockets.LISTEN) else ():
        name = found[len("${fd:") : -1]
        if listen and descriptor(name, names) is None:
            what = f"contains {found}, but listen has no address with the name {name}"
            app.note(COMMAND_KEY, what, did_you_mean(name, filter(None, names)))
    return command


def check_placeholders(app: Fields, fields: Fields, key: Key[object], command: Command) -> None:
    """Note each placeholder in *command*, the value of *key* in *fields*, that nothing fills."""
    for found in _placeholders_in(command):
        if found == PORT and not app.has(sockets.PORT):
            fields.note(key, f"contains {PORT}, which {NO_PORT}")
        if found in (INSTANCE, PORT):
            continue
        if fields is not app:
            fields.note(key, f"contains {found}, which serves only in the command of the app")
        elif not app.has(sockets.LISTEN):
            fields.note(key, f"contains {found}, which {NO_LISTEN}")


def _placeholders_in(command: Command) -> list[str]:
    words = (command,) if isinstance(command, str) else command
    return sorted({found for word in words for found in PLACEHOLDER.findall(word)})


def _descriptors_in(command: Command) -> list[str]:
    return [found for found in _placeholders_in(command) if found.startswith("${fd:")]
