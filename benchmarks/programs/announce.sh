# An app that says that it runs (`NAME PID` into the pipe), then does nothing for ten minutes.
# Usage: announce.sh NAME PIPE
echo "$1 $$" > "$2"
exec sleep 600
