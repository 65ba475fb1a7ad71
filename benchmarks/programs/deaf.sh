# An app that says that it runs, and does not end when it is asked to.
# Usage: deaf.sh NAME PIPE
trap '' TERM INT
echo "$1 $$" > "$2"
exec sleep 600
