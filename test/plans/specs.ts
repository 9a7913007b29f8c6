import { type Config, ctrRun, type MountConfig, pod, privilegedPod, shareProcessPod } from "./base-specs.ts";

const withProcess = (parts: object): Config => ({ ...ctrRun, process: { ...ctrRun.process, ...parts } });
const withLinux = (parts: object): Config => ({ ...ctrRun, linux: { ...ctrRun.linux, ...parts } });
const withMounts = (...mounts: MountConfig[]): Config => ({ ...ctrRun, mounts: [...ctrRun.mounts, ...mounts] });
const withNamespaces = (...more: object[]): Config => withLinux({ namespaces: [...ctrRun.linux.namespaces, ...more] });
const bind = (destination: string, ...options: string[]): MountConfig => ({
  destination,
  type: "bind",
  source: `/run/kata-containers/shared/containers${destination}`,
  options: ["bind", ...options],
});
const tmpfs = (destination: string, ...options: string[]): MountConfig => ({
  destination,
  type: "tmpfs",
  source: "tmpfs",
  options,
});
const mapping = [{ containerID: 0, hostID: 100000, size: 65536 }];
const userNamespace = { uidMappings: mapping, gidMappings: mapping };
const hook = (name: string) => [{ path: `/opt/hooks/${name}`, args: [name, "now"], env: ["STAGE=x"], timeout: 5 }];
const caps = (...names: string[]) => names.map((name) => `CAP_${name}`);

/** Specs by name. The plan of each is in plans/<name>.txt. */
export const specs: Readonly<Record<string, Config>> = {
  "ctr-run": ctrRun,
  pod,
  "pod-privileged": privilegedPod,
  "pod-share-process": shareProcessPod,

  terminal: withProcess({ terminal: true, consoleSize: { height: 30, width: 100 } }),
  "user-with-groups": withProcess({ user: { uid: 1000, gid: 100, additionalGids: [5, 27], umask: 0o077 } }),
  "capabilities-of-a-user": withProcess({
    user: { uid: 1000, gid: 1000 },
    capabilities: {
      bounding: caps("NET_BIND_SERVICE", "KILL"),
      effective: caps("NET_BIND_SERVICE"),
      permitted: caps("NET_BIND_SERVICE"),
      inheritable: caps("NET_BIND_SERVICE"),
      ambient: caps("NET_BIND_SERVICE"),
    },
  }),
  "capabilities-none": withProcess({ capabilities: {} }),
  "privileges-may-grow": withProcess({ noNewPrivileges: false }),
  rlimits: withProcess({
    rlimits: [
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      { type: "RLIMIT_NPROC", soft: 100, hard: 200 },
      { type: "RLIMIT_STACK", soft: 8388608, hard: 2 ** 64 },
    ],
  }),
  "oom-score": withProcess({ oomScoreAdj: -500 }),
  "working-directory": withProcess({ cwd: "/srv/app" }),
  "path-lookup": withProcess({ args: ["ls", "-l", "a file"], env: ["PATH=/opt/bin::/bin", "SECRET=value"] }),
  "absolute-executable": withProcess({ args: ["/usr/bin/env"] }),
  "scheduler-idle": withProcess({ scheduler: { policy: "SCHED_IDLE", nice: 5 } }),
  "scheduler-deadline": withProcess({
    scheduler: { policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 10000000, period: 10000000 },
  }),
  "io-priority": withProcess({ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 7 } }),

  "host-and-domain-name": { ...ctrRun, hostname: "web", domainname: "example.org" },
  "root-read-only": { ...ctrRun, root: { ...ctrRun.root, readonly: true } },
  "propagation-private": withLinux({ rootfsPropagation: "private" }),
  "propagation-shared": withLinux({ rootfsPropagation: "shared" }),
  "namespace-network-new": withNamespaces({ type: "network" }),
  "namespace-network-by-path": withNamespaces({ type: "network", path: "/var/run/netns/blue" }),
  "namespace-time": {
    ...withNamespaces({ type: "time" }),
    linux: {
      ...withNamespaces({ type: "time" }).linux,
      timeOffsets: { monotonic: { secs: 3600, nanosecs: 0 }, boottime: { secs: 7200, nanosecs: 5 } },
    },
  },
  "namespace-user": {
    ...ctrRun,
    linux: {
      ...ctrRun.linux,
      ...userNamespace,
      namespaces: [...ctrRun.linux.namespaces, { type: "user" }],
    },
  },
  "namespaces-few": withLinux({ namespaces: [{ type: "mount" }, { type: "pid" }] }),
  personality: withLinux({ personality: { domain: "LINUX32" } }),
  sysctl: withLinux({ sysctl: { "net.ipv4.ip_forward": "1", "kernel.shmmax": "1048576" } }),
  seccomp: withLinux({
    seccomp: {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [{ names: ["read", "write", "exit_group", "execve", "brk"], action: "SCMP_ACT_ALLOW" }],
    },
  }),
  "paths-neither-masked-nor-read-only": withLinux({ maskedPaths: [], readonlyPaths: [] }),

  "bind-read-only": withMounts(bind("/data", "ro")),
  "bind-recursively-private": withMounts({ ...bind("/data"), options: ["rbind", "rprivate", "nosuid", "nodev"] }),
  "bind-recursively-read-only": withMounts({ ...bind("/data"), options: ["rbind", "rro", "rnosuid"] }),
  "bind-shared": withMounts(bind("/data", "rshared")),
  "bind-idmapped": withMounts({ ...bind("/data", "idmap"), uidMappings: mapping, gidMappings: mapping }),
  "tmpfs-with-options": withMounts(tmpfs("/scratch", "noatime", "size=1m", "mode=1770", "nr_inodes=100", "huge=never")),
  "tmpfs-copied-up": withMounts(tmpfs("/etc", "tmpcopyup", "nosuid")),
  "mounts-nested": withMounts(tmpfs("/a", "size=1m"), tmpfs("/a/b", "size=1m"), bind("/a/b/c", "ro")),
  "dev-of-the-guest": {
    ...ctrRun,
    mounts: [
      ...ctrRun.mounts.filter(({ destination }) => !destination.startsWith("/dev")),
      { destination: "/dev", type: "bind", source: "/dev", options: ["rbind", "rslave"] },
    ],
  },
  "cgroup-mounted": withMounts({
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["ro", "nosuid", "noexec", "nodev", "relatime"],
  }),
  devices: withLinux({
    devices: [
      { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 },
      { path: "/dev/disk/data", type: "b", major: 252, minor: 16, fileMode: 0o640, uid: 0, gid: 6 },
    ],
    resources: {
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
      ],
    },
  }),
  hooks: {
    ...ctrRun,
    hooks: {
      prestart: hook("prestart"),
      createRuntime: hook("create-runtime"),
      createContainer: hook("create-container"),
      startContainer: hook("start-container"),
      poststart: hook("poststart"),
      poststop: hook("poststop"),
    },
  },
  "limits-of-all-kinds": withLinux({
    resources: {
      memory: { limit: 67108864, reservation: 33554432, swap: 134217728 },
      cpu: { shares: 512, quota: 20000, period: 100000, burst: 10000, cpus: "0", mems: "0" },
      pids: { limit: 64 },
      blockIO: { weight: 100, throttleReadBpsDevice: [{ major: 252, minor: 0, rate: 1048576 }] },
      unified: { "memory.oom.group": "1" },
    },
  }),

  "refused-intel-rdt": withLinux({ intelRdt: { l3CacheSchema: "L3:0=ff" } }),
  "refused-sysctl-of-the-guest": withLinux({ sysctl: { "vm.swappiness": "10" } }),
  "refused-hostname-without-uts": {
    ...ctrRun,
    hostname: "web",
    linux: {
      ...ctrRun.linux,
      namespaces: [{ type: "mount" }, { type: "pid" }],
    },
  },
  "refused-seccomp-listener": withLinux({
    seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/listener.sock" },
  }),
  "refused-no-mount-namespace": withLinux({ namespaces: [{ type: "pid" }] }),
  "refused-unknown-rlimit": withProcess({ rlimits: [{ type: "RLIMIT_NONSENSE", soft: 1, hard: 1 }] }),
};
