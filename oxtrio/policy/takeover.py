"""How a known server takes held sockets over, or why none is held for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oxtrio.policy.binds import Bound
from oxtrio.policy.launchers import Line
from oxtrio.policy.mentions import Command
from oxtrio.policy.options import Option
from oxtrio.policy.shell_values import Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """The server listens on *addresses*, and takes their held sockets over.

    `${fd}` in *env* and *command* stands for the descriptor of the first address, `${fd:1}` for
    that of the second, `${fd:2}` for that of the third: 3, 4, 5 where they follow one another.
    """

    server: str
    addresses: tuple[Bound, ...]
    env: tuple[tuple[str, str], ...] = ()
    listen_fds: bool = False
    """It wants `LISTEN_FDS`, and `LISTEN_PID` with the pid of the leader."""
    command: Command
    """As it is to be run."""
    alone: str = ""
    """Why two of it cannot run side by side, "" where they can; completes the same sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """Nothing is held for this server."""

    server: str
    why: str
    """Completes the sentence "a reload means a gap: …"."""
    instead: str
    """What to write into the oxfile to remove the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One server and all that it is told."""

    line: Line
    at: int
    """The number of the word that names the server."""
    leads: bool
    """It is the leader of the run."""
    env: Mapping[str, str | None]
    """With what the command itself sets; None: only the shell knows the value."""
    options: tuple[Option, ...]
    has_file: Callable[[str], bool]

    def has(self, *names: str) -> bool:
        """Whether one of the options *names* is given."""
        return bool(select(self.options, *names))

    def last(self, name: str) -> str | None:
        """The value that counts of an option that may be repeated."""
        found = select(self.options, name)
        return found[-1].value if found else None

    def variable(self, name: str) -> str:
        """The value of a variable, "" where it has none. Raises `Unread`."""
        value = self.env.get(name, "")
        if value is None:
            raise Unread(f"only the shell knows what {name} says")
        return value

    def with_descriptors(self, binds: tuple[Option, ...], count: int) -> Command:
        """The command with `fd://` in place of the values of *binds*, or else put into it."""
        names = [f"fd://{placeholder(number)}" for number in range(count)]
        if not binds:
            more = [word for name in names for word in ("--bind", name)]
            return self.line.edited({}, self.at, more)
        first = self.at + 1
        replaced = zip(binds, names, strict=True)
        words = {first + bind.at: bind.before + name for bind, name in replaced}
        return self.line.edited(words, self.at, ())


def select(options: tuple[Option, ...], *names: str) -> tuple[Option, ...]:
    """Those of *options* that have one of the *names*, in their order."""
    return tuple(option for option in options if option.name in names)


def placeholder(number: int) -> str:
    """What stands for the descriptor of the address *number*, from 0."""
    return f"${{fd:{number}}}" if number else "${fd}"
