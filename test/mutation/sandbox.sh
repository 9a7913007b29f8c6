#!/bin/sh
# sandbox.sh ROOT TREE COMMAND...: runs COMMAND in /tree, a private copy of TREE, and keeps it from changing anything else.
# sandbox.ts runs this as root and PID 1 of fresh namespaces. The root file system is a tmpfs on the empty directory ROOT, with
# the programs of this machine read-only. COMMAND is root of a user namespace. Outside, that root is an id which owns no
# file and no process, so COMMAND has no rights on anything that the namespaces fail to hide.
set -eu
umask 022 # for COMMAND, whose id owns none of the folders
root=$1 tree=$2
shift 2
id=2000000000

mount -t tmpfs -o size=2g,mode=755 sandbox "$root"
cd "$root"
mkdir dev proc sys tmp run old tree tree/build tree/build/test tree/node_modules
chmod 1777 tmp
chown "$id:$id" run

read_only() {
  mount --bind "$1" "$2"
  mount -o remount,bind,ro,nosuid "$2"
}

for name in usr bin sbin lib lib64 etc; do
  if [ -L "/$name" ]; then
    cp -P "/$name" "$name"
  elif [ -d "/$name" ]; then
    mkdir "$name"
    read_only "/$name" "$name"
  fi
done

for path in "$tree"/*; do
  case ${path##*/} in
  build | node_modules) ;;
  *) cp -a "$path" tree/ ;;
  esac
done
chown -R "$id:$id" tree
for path in "$tree"/build/*; do
  case ${path##*/} in
  test) ;;
  *)
    if [ -d "$path" ]; then mkdir "tree/build/${path##*/}"; else : >"tree/build/${path##*/}"; fi
    read_only "$path" "tree/build/${path##*/}"
    ;;
  esac
done
mkdir -p modules/upper modules/work
mount -t overlay -o "lowerdir=$tree/node_modules,upperdir=$root/modules/upper,workdir=$root/modules/work" modules tree/node_modules
(cd tree/node_modules && rm -rf .vite .vite-temp .vitest-cache .cache)
chown "$id:$id" tree/node_modules

for name in null zero full random urandom tty; do
  : >"dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir -m 1777 dev/shm
mkdir dev/pts
ln -s pts/ptmx dev/ptmx
mount -t proc proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
pivot_root . old
cd /tree
umount -l /old

# Pids from 20000 on: a number that a test made up is no process of the run.
inside='mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ip link set lo up
echo 20000 >/proc/sys/kernel/ns_last_pid
exec "$@"'

# The id changes before the namespaces, so that they belong to it. --pdeathsig is for the end of the command outside.
exec prlimit --nproc=1024 --core=0 \
  setpriv --pdeathsig KILL --reuid "$id" --regid "$id" --clear-groups --no-new-privs \
  unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc --net --ipc --uts --cgroup \
  sh -c "$inside" sh "$@"
