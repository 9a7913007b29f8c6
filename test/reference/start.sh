#!/bin/bash
# Serves the reference agent on a unix socket, by its run.sh, until SIGTERM; for `guestctl conformance --start "bare: start.sh RUN.SH {address}"`.
# usage: start.sh RUN.SH SOCKET [COMMAND…]
# run.sh starts the agent in the background of a shell, where SIGINT and SIGQUIT are ignored, and containers inherit that: the
# agent is started through env here. Containers that are still frozen when the agent ends are thawed, so that they end.
set -u
run=$1 socket=$2; shift 2
packed=$(dirname "$run")/kata-agent.xz
folder=$(mktemp -d /var/tmp/reference-XXXXXX); cache=$folder/guestd/reference; mkdir -p "$cache"
# The place where run.sh keeps it unpacked.
unpacked=${XDG_CACHE_HOME:-$HOME/.cache}/guestd/reference/kata-agent
if [ "$unpacked" -nt "$packed" ]; then cp "$unpacked" "$cache/agent"; else xz -dc "$packed" > "$cache/agent"; fi
chmod 755 "$cache/agent"
printf '#!/bin/sh\nexec env --default-signal=INT --default-signal=QUIT "%s" "$@"\n' "$cache/agent" > "$cache/kata-agent"
chmod 755 "$cache/kata-agent"
XDG_CACHE_HOME=$folder "$run" "$socket" "$@" & pid=$!
trap 'kill $pid' TERM INT
wait $pid; status=$?
trap '' TERM INT
while kill -0 $pid 2>/dev/null; do wait $pid; status=$?; done
for state in /sys/fs/cgroup/freezer/reference-$pid/*/freezer.state; do [ -e "$state" ] && echo THAWED > "$state"; done
for _ in 1 2 3 4 5 6 7 8 9 10; do
  left=$(find /sys/fs/cgroup -maxdepth 8 -type d -name "reference-$pid" 2>/dev/null)
  [ -z "$left" ] && break
  for one in $left; do find "$one" -depth -type d -exec rmdir {} \; 2>/dev/null; done
  sleep 0.1
done
rm -rf "$folder"
exit $status
