/** PATH of a process whose image and spec set none, as in Docker. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Docker's capabilities of root in a container. */
export const DEFAULT_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** Kernel file systems that Docker and containerd mount in every container, in their order. */
export const DEFAULT_MOUNTS = [
  { destination: "/proc", source: "proc", type: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    source: "tmpfs",
    type: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    source: "devpts",
    type: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    source: "shm",
    type: "tmpfs",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", source: "mqueue", type: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", source: "sysfs", type: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
];

/** The container's own cgroups, mounted after the others by Docker and by containerd's CRI plug-in. */
export const CGROUP_MOUNT = {
  destination: "/sys/fs/cgroup",
  source: "cgroup",
  type: "cgroup",
  options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
};

/**
 * Namespaces that a host asks for. The network is the sandbox's. Kata's hosts remove the pid namespace from a spec, because the
 * agent gives each container one: with two, every exec fails in kata-agent.
 */
export const DEFAULT_NAMESPACES = ["ipc", "uts", "mount", "cgroup"];

/** Docker's masked paths. containerd masks all of them but /proc/interrupts. */
export const DEFAULT_MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

export const DEFAULT_READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** systemd's soft limit, which keeps programs that loop over all descriptors fast, and Docker's hard limit. */
export const DEFAULT_NOFILE = { soft: 1024, hard: 1_048_576 };
