/**
 * Returns a command that runs `command` in a new pid namespace with its own /proc and without this machine's cgroups,
 * so that it can only find and signal the test's own processes. They all die with the first one. Needs root.
 */
export function inPidNamespace(command: readonly string[]): [string, string[]] {
  const script = 'umount -R -l /sys/fs/cgroup 2>/dev/null; exec "$@"';
  const flags = ["--pid", "--mount-proc", "--fork", "--kill-child=SIGKILL"];
  return ["unshare", [...flags, "/bin/sh", "-c", script, "sh", ...command]];
}
