/**
 * The command in a pid namespace of its own, with its /proc and without this machine's cgroups: whatever it signals by
 * scanning belongs to the test. Everything in it dies with its first process. Needs root.
 */
export function inPidNamespace(command: readonly string[]): [string, string[]] {
  const script = 'umount -R -l /sys/fs/cgroup 2>/dev/null; exec "$@"';
  const flags = ["--pid", "--mount-proc", "--fork", "--kill-child=SIGKILL"];
  return ["unshare", [...flags, "/bin/sh", "-c", script, "sh", ...command]];
}
