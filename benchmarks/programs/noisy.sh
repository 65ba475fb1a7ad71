# An app that says that it runs, then writes as fast as it can.
# Usage: noisy.sh NAME PIPE
echo "$1 $$" > "$2"
exec yes 2026-01-01 12:00:00 INFO worker: something happened that is about as long as a line of a log
