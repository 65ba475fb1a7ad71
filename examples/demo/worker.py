"""A barista: takes one order after the other, and finishes the one in hand before it leaves."""

import os
import signal
import threading
import time

import orders

BREWING_SECS = 3
LOOKING_SECS = 0.5


def main() -> None:
    barista = f"barista {os.environ.get('OXTRIO_INSTANCE_ID', '0')}"
    leaving = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leaving.set())

    if orders.put_back(barista):
        print(f"{barista} is back, and starts the spilt coffee again")
    else:
        print(f"{barista} is at the machine")
    while not leaving.is_set():
        order = orders.take(barista)
        if order is None:
            leaving.wait(LOOKING_SECS)
            continue
        print(f"{barista} brews #{order['id']}, {order['drink']}")
        time.sleep(BREWING_SECS)  # not `leaving.wait`: the coffee in hand is finished first
        orders.serve(order["id"])
        print(f"{barista} serves #{order['id']}, {order['drink']}")
    print(f"{barista} goes home")


if __name__ == "__main__":
    main()
