#!/bin/sh
# janitor.sh TEMPORARY WORK: outlives a test run and removes what that has left, however it ended.
#
# Its standard input is a pipe from the run. A line on it: the run has ended in order. Its end without one: the run was
# killed, and what it started is about to die with it, so the janitor looks again for three seconds.
# TEMPORARY is the run's own directory, and TMPDIR of all that it starts, by which those are known that were sent to the
# background. In WORK, and among cgroups, names carry the pid of their owner.
set -u
temporary=$1
work=$2
trap '' HUP INT TERM

# Processes are known by this name alone: it has to be one that mkdtemp has made up.
case $temporary in
/*/guestd-run-??????) ;;
*) echo "janitor: $temporary is no directory of a test run" >&2; exit 2 ;;
esac

session_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 4; }
session=$(session_of "$PPID")

# After a run in order its workers are about to end by themselves; what has a session of its own is not.
end_processes() {
  grep -lsz "^TMPDIR=$temporary\$" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
    if [ "$last" != done ] || [ "$(session_of "$pid")" != "$session" ]; then kill -KILL "$pid"; fi
  done
}

is_dead() { [ -n "$1" ] && [ ! -e "/proc/$1" ]; }

clean() {
  end_processes
  # Innermost first; before rm, which would go through them.
  grep -o " $temporary/[^ ]*" /proc/self/mounts | sort -r | while read -r path; do umount -l "$path"; done
  rm -rf --one-file-system "$temporary"
  for path in "$work"/*-[0-9]*-??????; do
    pid=${path%-*}
    if is_dead "${pid##*-}"; then rm -rf --one-file-system "$path"; fi
  done
  root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
  for path in "$root"/guestd-test-*; do
    pid=${path#"$root"/guestd-test-}
    if is_dead "${pid%%-*}"; then find "$path" -depth -type d -exec rmdir {} + ; fi
  done
}

last=killed
read -r last
for pass in 1 2 3 4 5 6 7 8 9 10; do
  clean 2>/dev/null
  if [ "$last" = done ]; then break; fi
  sleep 0.3
done
