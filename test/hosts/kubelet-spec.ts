import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { type HostKind, hostSpec } from "./host-spec.ts";

const POD = "8b1dc6a4-6f1e-4c53-8d4e-7a2c3b0f9e11";

/** Limits for each page size of the host; guests lack some. */
export const HOST_PAGES: readonly Init<grpc.LinuxHugepageLimit>[] = ["2MB", "1GB", "512MB"].map((Pagesize) => ({
  Pagesize,
  Limit: 0,
}));

export interface KubeletContainer {
  readonly id: string;
  readonly name: string;
  readonly rootfs: string;
  readonly args: readonly string[];
  /** Folder in the guest with the host's files for the container: hosts, hostname, resolv.conf, token and the like. */
  readonly files: string;
  /** Path that doesn't exist: a hostPath of type DirectoryOrCreate, or an emptyDir of the guest. */
  readonly missing: string;
  readonly limits: boolean;
  /** True if the kubelet uses systemd's cgroup driver. */
  readonly systemd: boolean;
}

/** Returns the spec of a pod's first container, as containerd's CRI plug-in requests it and a shim passes it on. */
export function pauseSpec(kind: HostKind, { id, rootfs, args, files, limits, systemd }: KubeletContainer) {
  const linux: Init<grpc.Linux> = {
    CgroupsPath: cgroupsPath(id, systemd),
    Resources: { ...(limits ? { CPU: { Shares: 2 } } : {}), HugepageLimits: HOST_PAGES },
    Sysctl: { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" },
  };
  const mounts = [
    bind("/dev/shm", "/run/kata-containers/sandbox/shm"),
    bind("/etc/resolv.conf", `${files}/resolv.conf`),
  ];
  const spec = hostSpec(kind, { id, rootfs, args, type: "pod_sandbox", limits, mounts, linux: { ...linux, ...paths } });
  return {
    ...spec,
    Version: "1.2.1",
    Hostname: "web-0",
    Root: { Path: rootfs, Readonly: true },
    Process: {
      ...spec.Process,
      User: { UID: 65535, GID: 65535, AdditionalGids: [65535] },
      OOMScoreAdj: limits ? -998 : 0, // lowering it needs CAP_SYS_RESOURCE, which a guest has
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    },
    Annotations: { ...spec.Annotations, ...annotations("sandbox", id) },
  };
}

/** Returns the spec of a pod's worker: its own user, limits, the mounts of every pod, and those of volumes. */
export function containerSpec(kind: HostKind, container: KubeletContainer): Init<grpc.Spec> {
  const { id, name, rootfs, args, files, missing, limits, systemd } = container;
  const resources: Init<grpc.LinuxResources> = {
    Memory: { Limit: 128 << 20, Swap: 128 << 20 },
    CPU: { Shares: 256, Quota: 50_000, Period: 100_000 },
    Unified: { "memory.oom.group": "1", "memory.swap.max": "0" },
  };
  const mounts = [
    mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
    bind("/etc/hosts", `${files}/hosts`),
    bind("/dev/termination-log", `${files}/termination-log`),
    bind("/etc/hostname", `${files}/hostname`),
    bind("/etc/resolv.conf", `${files}/resolv.conf`),
    bind("/var/run/secrets/kubernetes.io/serviceaccount", `${files}/token`, ["rbind", "rprivate", "ro"]),
    bind("/cache", missing),
  ];
  const linux: Init<grpc.Linux> = {
    CgroupsPath: cgroupsPath(id, systemd),
    Resources: { ...(limits ? resources : {}), HugepageLimits: HOST_PAGES },
  };
  const spec = hostSpec(kind, {
    id,
    rootfs,
    args,
    type: "pod_container",
    limits,
    mounts,
    linux: { ...linux, ...paths },
  });
  return {
    ...spec,
    Version: "1.2.1",
    Process: {
      ...spec.Process,
      User: { UID: 1000, GID: 3000, AdditionalGids: [3000, 2000] },
      OOMScoreAdj: 987,
      Env: ["PATH=/bin", "HOSTNAME=web-0", "KUBERNETES_SERVICE_HOST=10.96.0.1"],
      Rlimits: [],
      ApparmorProfile: "cri-containerd.apparmor.d", // a profile of the host, which guests lack
    },
    Annotations: { ...spec.Annotations, ...annotations("container", id), "io.kubernetes.cri.container-name": name },
    // runtime-rs keeps the hooks that it runs in the guest, which often leaves an empty message.
    Hooks: kind === "runtime-rs" ? {} : null,
  };
}

const paths: Init<grpc.Linux> = {
  MaskedPaths: [
    ...["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"],
    ...["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
    ...["/sys/devices/virtual/powercap", "/sys/devices/system/cpu/cpu0/thermal_throttle"],
  ],
  ReadonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
};

function cgroupsPath(id: string, systemd: boolean): string {
  const slice = `kubepods-burstable-pod${POD.replaceAll("-", "_")}.slice`;
  return systemd ? `${slice}:cri-containerd:${id}` : `/kubepods/burstable/pod${POD}/${id}`;
}

function annotations(type: "sandbox" | "container", id: string): Record<string, string> {
  return {
    "io.kubernetes.cri.container-type": type,
    "io.kubernetes.cri.sandbox-id": "pause",
    "io.kubernetes.cri.sandbox-name": "web-0",
    "io.kubernetes.cri.sandbox-namespace": "default",
    "io.kubernetes.cri.sandbox-uid": POD,
    "io.kubernetes.cri.sandbox-cpu-period": "100000",
    ...(type === "sandbox" ? { "io.kubernetes.cri.sandbox-log-directory": `/var/log/pods/${id}` } : {}),
  };
}

function bind(destination: string, source: string, options = ["rbind", "rprivate", "rw"]): Init<grpc.Mount> {
  return mount(destination, source, "bind", options);
}

function mount(destination: string, source: string, type: string, options: readonly string[]): Init<grpc.Mount> {
  return { destination, source, type, options };
}
