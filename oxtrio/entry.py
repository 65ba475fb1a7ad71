"""The first lines of the `oxtrio` command: what must be right before anything is imported."""

import sys
from collections.abc import Sequence

SERVING = frozenset({"run", "runtime", "--supervise"})
WITH_VALUE = frozenset({"-c", "--config", "-p", "--project"})


def main() -> None:
    """The command line. Where it becomes a supervisor, signals are held back from the start.

    `import trio` alone takes 0.1 s, in which PID 1 would lose every signal.
    """
    if becomes_supervisor(sys.argv[1:]):
        from oxtrio.system import descriptors, signals

        signals.block_early()
        descriptors.reserve()
    if sys.argv[1:2] in (["--supervise"], ["--rehearse"]):
        from oxtrio.startup.supervise import rehearse, supervise

        does = supervise if sys.argv[1] == "--supervise" else rehearse
        sys.exit(does(sys.argv[2:]))
    from oxtrio.cli.main import main as command_line

    sys.exit(command_line())


def becomes_supervisor(words: Sequence[str]) -> bool:
    """Whether this process will supervise: `run`, or `start --foreground`."""
    left = list(words)
    while left and left[0].startswith("-") and left[0] not in SERVING:
        del left[: 2 if left[0] in WITH_VALUE else 1]
    if not left:
        return False
    return left[0] in SERVING or (left[0] == "start" and "--foreground" in left)


if __name__ == "__main__":
    main()
