#!/bin/bash
# PID 1 for agents other than guestd's: mounts what a guest has, runs the agent as a child, reaps, and ends with it.
# Usage, as for guestd's init: plain-init.sh -- AGENT ARGUMENT…
set -e
shift
mount -t proc proc /proc
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 dev /mnt
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  mknod -m 666 "/mnt/${device%% *}" c ${device#* }
done
mkdir /mnt/pts /mnt/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /mnt/pts
ln -s pts/ptmx /mnt/ptmx
ln -s /proc/self/fd /mnt/fd
mount --move /mnt /dev
# The agent binds the sandbox's name servers to this file.
touch /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
# Where this machine's cgroups have controllers of version 1, version 2 has none, and kata-agent creates no container with
# version 2 alone.
if grep -q :memory: /proc/self/cgroup; then
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    case $controllers in "") continue ;; name=*) options=none,$controllers ;; *) options=$controllers ;; esac
    mkdir "/sys/fs/cgroup/${controllers#name=}"
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
  done </proc/self/cgroup
else
  mount -t cgroup2 cgroup /sys/fs/cgroup
fi
ip link set lo up
"$@" &
wait $!
