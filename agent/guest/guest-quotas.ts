/** More than any memory can hold. */
const MOST = "2147483647";

/**
 * Limits that the kernel counts for a uid or for the whole guest, so that containers share them with each other and
 * with the agent. Where objects are charged to the creating container's memory, the limit is lifted, because the
 * container's own limit applies. Where they aren't, a limit stays or becomes lower: docs/shared-resources.md.
 */
export const GUEST_QUOTAS: readonly (readonly [name: string, value: string])[] = [
  ["fs.epoll.max_user_watches", MOST],
  ["fs.file-max", MOST],
  ["fs.pipe-user-pages-soft", "0"], // no soft limit
  ["kernel.keys.root_maxbytes", "4194304"],
  ["kernel.keys.root_maxkeys", "20000"],
  ["kernel.pid_max", "4194304"],
  ["kernel.pty.max", "65536"],
  // Reserved for devpts instances that containers mount themselves: leaves them 1024 ptys, 23 MiB. The agent's
  // instances have a limit each (open-devpts.ts).
  ["kernel.pty.reserve", "64512"],
  ["user.max_cgroup_namespaces", MOST],
  ["user.max_fanotify_groups", MOST],
  ["user.max_fanotify_marks", MOST],
  ["user.max_inotify_instances", MOST],
  ["user.max_inotify_watches", MOST],
  ["user.max_ipc_namespaces", MOST],
  ["user.max_mnt_namespaces", MOST],
  ["user.max_pid_namespaces", MOST],
  ["user.max_time_namespaces", MOST],
  ["user.max_user_namespaces", MOST],
  ["user.max_uts_namespaces", MOST],
];
