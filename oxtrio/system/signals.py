"""Signals to the supervisor itself."""

import contextlib
import os
import signal
from collections.abc import Iterable
from signal import Signals

STOP = frozenset({Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT})
RELOAD = Signals.SIGHUP
UPGRADE = Signals.SIGUSR2
UNUSED = frozenset(
    {Signals.SIGUSR1, Signals.SIGALRM, Signals.SIGVTALRM, Signals.SIGPROF}
    | {Signals.SIGIO, Signals.SIGPWR, Signals.SIGSTKFLT, Signals.SIGXCPU}
)
"""Would end the process by default, and mean nothing to a supervisor."""

OURS = frozenset({*STOP, RELOAD, UPGRADE})
EARLY = OURS | {Signals.SIGCHLD, Signals.SIGUSR1}


def block_early() -> None:
    """Hold signals back until somebody listens. As PID 1 they would be lost for ever.

    The first thing that a supervisor does, before anything slow is imported.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, EARLY)


def unblock() -> None:
    """Let them come: the receivers are there. Before the first spawn, as the mask is inherited."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def ignore() -> None:
    """It is over: what still comes must not change how. Also while Python takes itself down."""
    for number in OURS | UNUSED:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)


def has_terminal() -> bool:
    """Whether a terminal controls this process: then SIGHUP means that it is gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def reset_dispositions() -> None:
    """Undo what was inherited as ignored (nohup, a shell's &), and survive what is not for us.

    Handlers, unlike ignored signals, are reset in every program that we start.
    """
    for number in signal.valid_signals():
        if number in (Signals.SIGKILL, Signals.SIGSTOP, Signals.SIGPIPE, Signals.SIGXFSZ):
            continue
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
    # Those that mean something, too: they may come when nobody listens any more.
    _survive(OURS | UNUSED)
    _survive(range(signal.SIGRTMIN, signal.SIGRTMAX + 1))


def _survive(numbers: Iterable[int]) -> None:
    for number in numbers:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, _do_nothing)


def _do_nothing(*_: object) -> None:
    pass
