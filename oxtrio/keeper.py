"""The keeper: parent of a supervisor in the background, and what makes its crash harmless.

A program of its own (`python -I -S keeper.py LOCK READY COMMAND…`), so small that it has little
reason to fail. It starts the supervisor again when that ends without having said goodbye, holds
pipes and sockets for the next one, takes in what a dead one leaves behind, and tells how it ended.

LOCK is a descriptor whose flock says that there is a keeper. READY is one for the first
supervisor alone, as last word of its command: there that one says how its start went.
A supervisor finds its end of a SOCK_SEQPACKET socket by OXTRIO_KEEPER. It says

    here             tell me what there is    ready       I have taken over what there is
    keep NAME (+fd)  keep this                drop NAME   keep it no longer
    ping N           answer this              bye         I end for good: do not start me again

and hears `have NAME` with a descriptor for each that is kept, `exit PID STATUS` for each that has
ended since one was ready, `before PID STATUS` of the last supervisor, and `done`; later `exit`,
`pong N`, and `signal N`.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36  # prctl(2)
EXITS = 10_000  # ends of processes that are remembered; the oldest go
MESSAGE = 65_536  # bytes of a message at most
STABLE = 60.0  # seconds after which a supervisor that ends is the first one that has failed
FIRST, LONGEST = 0.1, 30.0  # seconds before the second start in a row, then doubling, and at most
FEW = 3  # failures that count, at most, where one got ready: the next is there within a second
BEYOND_DIGITS = 10  # descriptors of one digit are for the runs of the supervisor
HURRY = signal.SIGCONT  # start it now; harms nobody who is hit by mistake
PASSED_ON = (signal.SIGTERM, signal.SIGUSR2)
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
NOT_HANDLED = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}  # or by Python
HANDLED = signal.valid_signals() - FAULTS - NOT_HANDLED


def delay(failures: int) -> float:
    """Seconds to wait after so many ends in a row before the supervisor is started again."""
    return 0.0 if failures < 2 else min(FIRST * 2.0 ** min(failures - 2, 10), LONGEST)


class Signals:
    """What signals ask for, and how the supervisor is to find them at its start."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.hurry = self.stopping = False
        self.woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        # Handlers, unlike what is ignored, are undone in a program that a child becomes.
        was = {number: signal.signal(number, self._note) for number in HANDLED}
        self._ignored = [number for number in HANDLED if was[number] == signal.SIG_IGN]
        self._mask = signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def restore(self) -> None:
        """In a child: everything as it was when the keeper was started."""
        signal.set_wakeup_fd(-1)
        for number in self._ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _note(self, number: int, _: object) -> None:
        if number in PASSED_ON:
            self.asked.append(number)
        self.stopping |= number == signal.SIGTERM
        self.hurry |= number in (HURRY, signal.SIGTERM)


class Link:
    """The socket to one supervisor after the other. Nothing here waits or raises."""

    def __init__(self, kept: dict[str, int]) -> None:
        self._kept = kept
        self._end: socket.socket | None = None
        self._unsaid: deque[str] = deque()

    def lead(self, end: socket.socket | None) -> None:
        """From now on *end*, which never blocks, leads to a supervisor; None: there is none."""
        if self._end is not None:
            self._end.close()
        self._end = end
        self._unsaid.clear()

    def watch(self, poll: "select.poll") -> None:
        """Have *poll* return when something can be done."""
        if self._end is not None:
            poll.register(self._end, select.POLLIN | (select.POLLOUT if self._unsaid else 0))

    def say(self, text: str) -> None:
        """Say it as soon as there is room; one who does not listen makes us grow no further."""
        if self._end is not None and len(self._unsaid) < 4 * EXITS:
            self._unsaid.append(text)

    def flush(self) -> None:
        """Say what there is room for, `have` with what it is about."""
        while self._unsaid and self._end is not None:
            word, _, name = self._unsaid[0].partition(" ")
            rights = []
            if word == "have" and name in self._kept:
                copy = self._kept[name].to_bytes(4, sys.byteorder)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, copy)]
            try:
                self._end.sendmsg([os.fsencode(self._unsaid[0])], rights, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError:
                pass  # what cannot be said to one who is gone, or has no room, is not said
            self._unsaid.popleft()

    def hear(self) -> Iterator[tuple[str, int | None]]:
        """What has been said, and what came with it, which is the caller's."""
        room = socket.CMSG_LEN(4)  # for one descriptor
        while self._end is not None:
            try:
                text, rights, _, _ = self._end.recvmsg(MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                text, rights = b"", []
            if not text:
                self.lead(None)
                return
            given = [int.from_bytes(each[2], sys.byteorder) for each in rights]
            yield os.fsdecode(text), given[0] if given else None


class Keeper:
    """One supervisor at a time, and what must not be lost between two of them."""

    def __init__(self, command: list[str], ready: int) -> None:
        self._command, self._ready = command, [ready]
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._limit[1], self._limit[1]))
        self._signals = Signals()
        self._kept: dict[str, int] = {}
        self._exits: dict[int, int] = {}
        self._link = Link(self._kept)
        self._pid = self._failures = 0  # no pid: between two supervisors
        self._started_at = self._start_at = 0.0
        self._before: list[str] = []  # how the supervisor before this one has ended
        self._is_here = self._is_ready = self._was_ever_ready = self._is_leaving = False
        self._code: int | None = None

    def serve(self) -> int:
        """Return when the supervisor has ended for good: its exit code."""
        while self._code is None:
            if not self._pid and time.monotonic() >= self._start_at:
                self._start()
            self._wait()
            self._hear()
            self._reap()
            self._obey()
            self._link.flush()
        return self._code

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._signals.woken, select.POLLIN)
        self._link.watch(poll)
        left = max(self._start_at - time.monotonic(), 0)
        poll.poll(None if self._pid else left * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._signals.woken, MESSAGE)

    def _start(self) -> None:
        self._is_here = self._is_ready = self._is_leaving = False
        try:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            self._link.lead(ours)
            with its:
                self._pid = os.fork()
                if self._pid == 0:
                    self._become_supervisor(its)
        except OSError as error:
            self._failed(f"cannot start the supervisor: {error.strerror}")
        else:
            self._started_at = time.monotonic()
            while self._ready:  # who reads there learns when the supervisor ends
                os.close(self._ready.pop())

    def _become_supervisor(self, end: socket.socket) -> None:
        try:
            number = fcntl.fcntl(end, fcntl.F_DUPFD, BEYOND_DIGITS)
            for ready in self._ready:
                os.set_inheritable(ready, True)
            command = [*self._command, *map(str, self._ready)]
            resource.setrlimit(resource.RLIMIT_NOFILE, self._limit)
            self._signals.restore()
            os.execve(command[0], command, {**os.environ, "OXTRIO_KEEPER": str(number)})
        except Exception as error:  # noqa: BLE001 - there is nobody above to tell
            say(f"cannot execute the supervisor: {error}")
        finally:
            os._exit(127)  # whatever happens, there is no second keeper

    def _hear(self) -> None:
        for text, given in self._link.hear():
            word, _, name = text.partition(" ")
            if word in ("keep", "drop") and name in self._kept:
                os.close(self._kept.pop(name))
            if word == "keep" and given is not None:
                self._kept[name] = given
            elif given is not None:
                os.close(given)
            if word == "here":
                self._greet()
            elif word == "ready":
                self._exits.clear()  # it has been told of all these
                self._is_ready = self._was_ever_ready = True
            elif word == "ping":
                self._link.say(f"pong {name}")
            self._is_leaving |= word == "bye"

    def _greet(self) -> None:
        self._is_here = True
        exits = [f"exit {pid} {status}" for pid, status in self._exits.items()] + self._before
        for text in (*(f"have {name}" for name in self._kept), *exits, "done"):
            self._link.say(text)
        if self._signals.stopping and not self._signals.asked:
            self._signals.asked.append(signal.SIGTERM)  # who heard it before has died of it

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            for pid, status in iter(lambda: os.waitpid(-1, os.WNOHANG), (0, 0)):
                if pid == self._pid:
                    self._ended(status)
                    continue
                self._exits.pop(pid, None)  # of another process, which had this pid before
                self._exits[pid] = status
                if len(self._exits) > EXITS:
                    del self._exits[next(iter(self._exits))]
                if self._is_here:
                    self._link.say(f"exit {pid} {status}")

    def _ended(self, status: int) -> None:
        """The supervisor is gone: for good, or to be started again."""
        self._hear()  # its last words
        self._before, self._pid, self._is_here = [f"before {self._pid} {status}"], 0, False
        code = os.waitstatus_to_exitcode(status)
        in_vain = self._signals.stopping and not self._is_ready
        if self._is_leaving or not self._was_ever_ready or in_vain:
            self._code = code if code >= 0 else 128 - code
            return
        is_stable = time.monotonic() - self._started_at >= STABLE
        if is_stable or self._is_ready:
            self._failures = 0 if is_stable else min(self._failures, FEW)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._failed(f"the supervisor ended with {how}")

    def _failed(self, what: str) -> None:
        self._link.lead(None)
        self._failures += 1
        wait = delay(self._failures)
        self._start_at = time.monotonic() + wait
        say(f"{what}; starts it again {f'in {wait:g} s' if wait else 'now'}")

    def _obey(self) -> None:
        """Pass on what is asked of the supervisor, once it can hear that."""
        hurry, self._signals.hurry = self._signals.hurry, False
        if hurry and not self._pid:
            self._failures, self._start_at = 0, 0.0
        # Before it is here, a signal would hit a program that is just being loaded.
        while self._signals.asked and self._is_here:
            # By word: who signals a whole session hits the supervisor too, and means it once.
            self._link.say(f"signal {self._signals.asked.pop(0)}")


def say(text: str) -> None:
    """A line for supervisor.log, which is our stderr."""
    with contextlib.suppress(OSError):
        os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} keeper: {text}\n".encode())


def main() -> int:
    """Keep until the supervisor has ended for good; its exit code."""
    lock, ready = map(int, sys.argv[1:3])
    for descriptor in (lock, ready):
        os.set_inheritable(descriptor, False)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_NAME, b"oxtrio-keeper", 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # the disk may be full
        os.pwrite(lock, f"{os.getpid():<10}\n".encode(), 0)
    return Keeper(sys.argv[3:], ready).serve()


if __name__ == "__main__":
    sys.exit(main())
