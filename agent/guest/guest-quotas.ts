/** More than any memory holds. */
const MOST = "2147483647";

/**
 * Limits that the kernel counts for a uid, or for the whole guest, and that containers therefore share with each other and with
 * the agent. Those whose objects are charged to the memory of the container that makes them end nowhere: the container's own limit
 * ends what it takes. What is not charged keeps a limit, or gets a lower one: docs/shared-resources.md.
 */
export const GUEST_QUOTAS: readonly (readonly [name: string, value: string])[] = [
  ["fs.epoll.max_user_watches", MOST],
  ["fs.file-max", MOST],
  ["fs.pipe-user-pages-soft", "0"], // none
  ["kernel.keys.root_maxbytes", "4194304"],
  ["kernel.keys.root_maxkeys", "20000"],
  ["kernel.pid_max", "4194304"],
  ["kernel.pty.max", "65536"],
  // Left for those that containers mount themselves: 1024, 23 MiB. The ones of the agent are bounded each (open-devpts.ts).
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
