"""Saying something to the service manager that started us, by the protocol of sd_notify.

Standard library only.
"""

import socket
from contextlib import suppress


def tell_manager(address: str, text: str) -> bool:
    """Send *text* to *address*, the value of `NOTIFY_SOCKET`. It never waits, and never raises.

    False: the other end has no room now, and it may be tried again. Where nobody listens there
    is nobody to tell: that is True.
    """
    if address[:1] not in ("/", "@") or len(address) == 1:
        return True  # vsock and the like: for virtual machines as a whole
    name = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(text.encode(errors="replace"), socket.MSG_DONTWAIT, name)
        except BlockingIOError:
            return False
    return True
