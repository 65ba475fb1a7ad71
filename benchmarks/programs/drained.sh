# What noisy.sh does, with something that reads it: for a supervisor that reads nothing.
# Usage: drained.sh NAME PIPE
echo "$1 $$" > "$2"
yes 2026-01-01 12:00:00 INFO worker: something happened that is about as long as a line of a log |
  cat > /dev/null
