"""What has to be done once before the others start; here it only takes its time."""

import os
import time

print("preparing", flush=True)
time.sleep(float(os.environ.get("PREPARE_SECS", "1")))
print("prepared", flush=True)
