"""The first lines of the `oxtrio` command: what must be right before anything is imported."""

import sys

SERVING = frozenset({"run", "runtime", "--foreground", "--supervise"})


def main() -> None:
    """The command line. Where it becomes a supervisor, signals are held back from the start.

    `import trio` alone takes 0.1 s, in which PID 1 would lose every signal.
    """
    if not SERVING.isdisjoint(sys.argv[1:]):
        from oxtrio.system import descriptors, signals

        signals.block_early()
        descriptors.reserve()
    if sys.argv[1:2] == ["--supervise"]:
        from oxtrio.startup import run_background

        sys.exit(run_background(sys.argv[2:]))
    from oxtrio.cli.main import main as command_line

    sys.exit(command_line())


if __name__ == "__main__":
    main()
