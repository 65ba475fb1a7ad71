"""What all tests need of the process that runs them."""

import signal

# A runner in the background, or under nohup, ignores these, and every program that it starts
# inherits that: then no test could interrupt anything.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
