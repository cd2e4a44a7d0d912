#!/bin/sh
# A user manager of systemd on a machine that systemd does not run, with a /run of its own. To be started in a mount
# namespace of its own. $1: the home, whose .config/systemd/user has the units. $2: what to run beside the manager.
set -eu
# One at a time: managers without a control group of their own put their units into the same ones, and each would end
# the other's processes.
exec 9</lib/systemd/systemd
flock 9
mount -t tmpfs -o mode=755 none /run
runtime=/run/user/$(id -u)
mkdir -p /run/systemd/system "$runtime"
chmod 700 "$runtime"
USER=$(id -un)
export USER HOME="$1" XDG_RUNTIME_DIR="$runtime"
# Its messages go to nobody: there is no journal.
/lib/systemd/systemd --user --unit=basic.target >/dev/null 2>&1 9<&- &
manager=$!
trap 'kill "$manager" 2>/dev/null; wait "$manager" 2>/dev/null || true' EXIT
tries=0
until systemctl --user is-active --quiet basic.target 2>/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$manager"; then echo "no user manager" >&2; exit 3; fi
  sleep 0.1
done
sh -euc "$2" 9<&-
