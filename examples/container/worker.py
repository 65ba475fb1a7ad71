"""Does one thing after the other; told to stop, it finishes the one in hand."""

import signal
import time

told: list[int] = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))

done = 0
while not told:
    time.sleep(0.5)
    done += 1
    print(f"job {done} is done", flush=True)
print("nothing is left half done", flush=True)
