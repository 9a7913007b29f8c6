/** A config.json as an object; parts of it are replaced in variants. */
export interface Config {
  readonly ociVersion: string;
  readonly process: { readonly [field: string]: unknown };
  readonly root: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly mounts: readonly MountConfig[];
  readonly linux: { readonly [field: string]: unknown; readonly namespaces: readonly object[] };
  readonly [field: string]: unknown;
}

export interface MountConfig {
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly [field: string]: unknown;
}

const CAPABILITIES =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);
const ALL_CAPABILITIES = [
  ...CAPABILITIES,
  ..."DAC_READ_SEARCH LINUX_IMMUTABLE NET_BROADCAST NET_ADMIN IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG LEASE AUDIT_CONTROL MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    .split(" ")
    .map((name) => `CAP_${name}`),
];

const kernelMount = (type: string, destination: string, ...options: string[]): MountConfig => ({
  destination,
  type,
  source: type,
  options: ["nosuid", "noexec", "nodev", ...options],
});

/** The spec that containerd makes for `ctr run docker.io/library/busybox:latest c1`. */
export const ctrRun: Config = {
  ociVersion: "1.2.0",
  process: {
    user: { uid: 0, gid: 0, additionalGids: [0, 10] },
    args: ["sh"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    cwd: "/",
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: "/run/kata-containers/shared/containers/c1/rootfs" },
  mounts: [
    kernelMount("proc", "/proc"),
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { ...kernelMount("tmpfs", "/dev/shm", "mode=1777", "size=65536k"), source: "shm" },
    kernelMount("mqueue", "/dev/mqueue"),
    kernelMount("sysfs", "/sys", "ro"),
    {
      destination: "/run",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
  ],
  linux: {
    resources: { devices: [{ allow: false, access: "rwm" }] },
    cgroupsPath: "/default/c1",
    namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "cgroup" }],
    maskedPaths: [
      ..."acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi"
        .split(" ")
        .map((name) => `/proc/${name}`),
      "/sys/firmware",
      "/sys/devices/virtual/powercap",
    ],
    readonlyPaths: "bus fs irq sys sysrq-trigger".split(" ").map((name) => `/proc/${name}`),
  },
};

const podFile = (name: string, source: string): MountConfig => ({
  destination: name,
  type: "bind",
  source: `/run/kata-containers/shared/containers/${source}`,
  options: ["rbind", "rprivate", "rw"],
});

const cgroupMount = kernelMount("cgroup", "/sys/fs/cgroup", "relatime", "ro");

/** A container of a Kubernetes pod as containerd's CRI plug-in makes it, its files of the pod shared by a Kata host. */
export const pod: Config = {
  ...ctrRun,
  process: {
    ...ctrRun.process,
    args: ["/pause"],
    env: ["PATH=/usr/bin:/bin", "HOSTNAME=web-0", "KUBERNETES_SERVICE_HOST=10.96.0.1"],
    oomScoreAdj: 1000,
  },
  mounts: [
    ...ctrRun.mounts.filter(({ destination }) => destination !== "/run"),
    cgroupMount,
    podFile("/etc/hosts", "web-hosts"),
    podFile("/etc/hostname", "web-hostname"),
    podFile("/etc/resolv.conf", "web-resolv.conf"),
    podFile("/dev/termination-log", "web-termination-log"),
    { ...podFile("/var/run/secrets/kubernetes.io/serviceaccount", "web-token"), options: ["rbind", "rprivate", "ro"] },
  ],
  linux: {
    ...ctrRun.linux,
    cgroupsPath: "kubepods-burstable-pod1234.slice:cri-containerd:c1",
    resources: {
      devices: [{ allow: false, access: "rwm" }],
      memory: { limit: 268435456 },
      cpu: { shares: 204, quota: 50000, period: 100000 },
    },
    namespaces: [
      { type: "pid" },
      { type: "ipc", path: "/run/sandbox-ns/ipc" },
      { type: "uts", path: "/run/sandbox-ns/uts" },
      { type: "mount" },
      { type: "cgroup" },
    ],
  },
  annotations: { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "s1" },
};

/** The same with `privileged: true`: nothing masked, all capabilities, all devices, writable kernel file systems. */
export const privilegedPod: Config = {
  ...pod,
  process: {
    ...pod.process,
    noNewPrivileges: false,
    capabilities: { bounding: ALL_CAPABILITIES, effective: ALL_CAPABILITIES, permitted: ALL_CAPABILITIES },
  },
  mounts: pod.mounts.map((mount) =>
    mount.destination.startsWith("/sys")
      ? { ...mount, options: mount.options.map((option) => (option === "ro" ? "rw" : option)) }
      : mount,
  ),
  linux: {
    cgroupsPath: pod.linux["cgroupsPath"],
    namespaces: pod.linux.namespaces,
    resources: { devices: [{ allow: true, access: "rwm" }] },
  },
};

/** The same with shareProcessNamespace: the pid namespace is that of the pod's first container. */
export const shareProcessPod: Config = {
  ...pod,
  linux: {
    ...pod.linux,
    namespaces: pod.linux.namespaces.map((namespace) =>
      "type" in namespace && namespace.type === "pid" ? { type: "pid", path: "/proc/100/ns/pid" } : namespace,
    ),
  },
};
