"""A thermometer with a loose cable: it reads well for a while, then it crashes."""

import os
import random
import time

SECS = float(os.environ.get("FLAKY_SECS", "20"))


def main() -> None:
    temperature = 92.0
    unplugged = time.monotonic() + random.uniform(0.75, 1.5) * SECS
    print("the thermometer is plugged in")
    while time.monotonic() < unplugged:
        temperature += random.uniform(-0.5, 0.5)
        print(f"the water has {temperature:.1f} °C")
        time.sleep(min(3, SECS / 4))
    raise RuntimeError("the cable came loose")


if __name__ == "__main__":
    main()
