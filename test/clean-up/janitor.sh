#!/bin/sh
# janitor.sh TEMPORARY WORK...: outlives a test run and removes what it left behind, however it ended.
#
# Its standard input is a pipe from the run. A line means that the run ended normally. End of file without a line means
# that the run was killed and its processes are about to die, so the janitor keeps looking for three seconds.
# TEMPORARY is the run's own directory. Everything that it starts has it as TMPDIR, or a folder in it, which identifies its
# background processes. In each WORK, and among cgroups, names contain the pid of their owner.
set -u
temporary=$1
shift
trap '' HUP INT TERM

# Only this name identifies the processes, so it must be one that mkdtemp made up.
case $temporary in
/*/guestd-run-??????) ;;
*) echo "janitor: $temporary is not the directory of a test run" >&2; exit 2 ;;
esac

session_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 4; }
session=$(session_of "$PPID")

# After a normal end, the run's workers are about to end by themselves. Processes in their own session are not.
end_processes() {
  grep -lszE "^TMPDIR=$temporary(/|\$)" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
    if [ "$last" != done ] || [ "$(session_of "$pid")" != "$session" ]; then kill -KILL "$pid"; fi
  done
}

is_dead() { [ -n "$1" ] && [ ! -e "/proc/$1" ]; }

clean() {
  end_processes
  # Innermost first, and before rm, which would descend into them.
  cut -d ' ' -f 2 /proc/self/mounts | sort -r | while read -r escaped; do
    path=$(printf %b "$escaped") # spaces are \040
    case $path in "$temporary"/*) umount -l "$path" ;; esac
  done
  rm -rf --one-file-system "$temporary"
  for work in "$@"; do
    for path in "$work"/*-[0-9]*-??????; do
      pid=${path%-*}
      if is_dead "${pid##*-}"; then rm -rf --one-file-system "$path"; fi
    done
    rmdir "$work" # unless another run uses it
  done
  root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
  for path in "$root"/guestd-test-*; do
    pid=${path#"$root"/guestd-test-}
    # If it still has processes, its owner lives in another pid namespace and needs its empty cgroups too.
    if is_dead "${pid%%-*}" && grep -q '^populated 0' "$path/cgroup.events"; then
      find "$path" -depth -type d -exec rmdir {} +
    fi
  done
}

last=killed
read -r last
for pass in 1 2 3 4 5 6 7 8 9 10; do
  clean "$@" 2>/dev/null
  if [ "$last" = done ]; then break; fi
  sleep 0.3
done
