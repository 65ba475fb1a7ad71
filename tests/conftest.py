"""What all tests need of the process that runs them."""

import contextlib
import signal

# A runner in the background, or under nohup, ignores these, and every program that it starts
# inherits that: then no test could interrupt anything.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A spawn with held sockets borrows the descriptors from 3 on for a moment. The supervisor keeps
# them free of anything else; in a worker of xdist its line to the runner has them, read by a
# thread: whatever arrives in that moment would end the worker. So the line gets other numbers.
with contextlib.suppress(ImportError):
    from execnet import gateway_io

    KEEP_FREE = "import os;[os.open(os.devnull,os.O_RDONLY) for number in range(3,10)];"
    gateway_io.popen_bootstrapline = KEEP_FREE + gateway_io.popen_bootstrapline
