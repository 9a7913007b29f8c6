import {
  CGROUP_MOUNT,
  DEFAULT_CAPABILITIES,
  DEFAULT_MASKED_PATHS,
  DEFAULT_MOUNTS,
  DEFAULT_NAMESPACES,
  DEFAULT_PATH,
  DEFAULT_READONLY_PATHS,
} from "../../lib/oci-defaults.ts";

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

const ALL_CAPABILITIES = [
  ...DEFAULT_CAPABILITIES,
  ..."DAC_READ_SEARCH LINUX_IMMUTABLE NET_BROADCAST NET_ADMIN IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG LEASE AUDIT_CONTROL MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    .split(" ")
    .map((name) => `CAP_${name}`),
];

/** The spec that containerd makes for `ctr run docker.io/library/busybox:latest c1`. */
export const ctrRun: Config = {
  ociVersion: "1.2.0",
  process: {
    user: { uid: 0, gid: 0, additionalGids: [0, 10] },
    args: ["sh"],
    env: [`PATH=${DEFAULT_PATH}`],
    cwd: "/",
    capabilities: { bounding: DEFAULT_CAPABILITIES, effective: DEFAULT_CAPABILITIES, permitted: DEFAULT_CAPABILITIES },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: "/run/kata-containers/shared/containers/c1/rootfs" },
  mounts: [
    ...DEFAULT_MOUNTS,
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
    namespaces: ["pid", ...DEFAULT_NAMESPACES].map((type) => ({ type })),
    maskedPaths: DEFAULT_MASKED_PATHS.filter((path) => path !== "/proc/interrupts"),
    readonlyPaths: DEFAULT_READONLY_PATHS,
  },
};

const podFile = (name: string, source: string): MountConfig => ({
  destination: name,
  type: "bind",
  source: `/run/kata-containers/shared/containers/${source}`,
  options: ["rbind", "rprivate", "rw"],
});

/** The spec that containerd's CRI plug-in makes for a container of a Kubernetes pod, whose files a Kata host shares. */
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
    CGROUP_MOUNT,
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

/**
 * The same container with `privileged: true`: nothing masked, all capabilities, all devices, writable kernel file
 * systems.
 */
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

/** The same container with shareProcessNamespace: its pid namespace is the one of the pod's first container. */
export const shareProcessPod: Config = {
  ...pod,
  linux: {
    ...pod.linux,
    namespaces: pod.linux.namespaces.map((namespace) =>
      "type" in namespace && namespace.type === "pid" ? { type: "pid", path: "/proc/100/ns/pid" } : namespace,
    ),
  },
};
