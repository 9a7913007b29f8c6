import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";

/** A point of the suite that guestd fails, and why that is right, or can't be otherwise on this machine. */
export interface KnownFailure {
  /** Absent: any program. */
  readonly program?: string;
  /** How the point's text begins, "(program)" for a failure that is no point; absent: any point of the program. */
  readonly point?: string;
  readonly reason: string;
  /** Only then it is expected; absent: always. */
  readonly when?: () => boolean;
}

const V1_ONLY =
  "the suite reads the files of cgroup v1 only (its cgroups.go: cgroup v2 is not supported yet); guestd is for v2, whose limits test/scenarios/limits.ts and agent/container/cgroup/cgroup-*.test.ts check. With runc and crun the program ran on this machine's v1";
const CGROUPS = ["blkio", "cpus", "devices", "hugetlb", "memory", "network", "pids"].flatMap((controller) => [
  { program: `linux_cgroups_${controller}`, reason: V1_ONLY },
  { program: `linux_cgroups_relative_${controller}`, reason: V1_ONLY },
]);

const ALL_CAPABILITIES =
  "the container gets every capability, and this machine's root lacks one (CAP_SYS_RESOURCE, mostly): EPERM, as with runc and crun";
const GUEST_BUNDLE =
  "the state names the bundle in the guest, /run/kata-containers/<id>, where hooks of a Kata guest look for it; the directory that the suite knows is the host's";

const BY_ID =
  "devpts is mounted by the agent, whose instances alone may use kernel.pty.reserve; since Linux 6.8 mountinfo stands in the order of making, not of attaching";

export const KNOWN_FAILURES: readonly KnownFailure[] = [
  { point: "mounts[2] (/dev/pts) found in order", reason: BY_ID, when: () => kernelAtLeast(6, 8) },
  ...["hostname", "linux_masked_paths", "linux_readonly_paths"].map((program) => ({
    program,
    reason: `each of its points fails with all that a container shows: ${BY_ID}. test/scenarios, test/attack/renamed-mounts.test.ts and test/differential check names and paths`,
    when: () => kernelAtLeast(6, 8),
  })),
  ...CGROUPS,
  { program: "delete_only_create_resources", reason: V1_ONLY },
  { program: "delete_resources", reason: V1_ONLY },
  {
    program: "hooks",
    reason:
      "can't pass: it compares with lines that its own hooks don't write (post-start1 for post-start1 called); runc and crun fail too. hooks.ts in test/scenarios checks the order",
  },
  {
    program: "hooks_stdin",
    point: 'the state of the container MUST be passed to "prestart"',
    reason: `status is "creating" since OCI 1.1 (config.md: prestart is called as part of create), as with runc; ${GUEST_BUNDLE}`,
  },
  {
    program: "hooks_stdin",
    point: 'the state of the container MUST be passed to "poststart"',
    reason: GUEST_BUNDLE,
  },
  {
    program: "hooks_stdin",
    point: 'the state of the container MUST be passed to "poststop"',
    reason: GUEST_BUNDLE,
  },
  {
    program: "linux_mount_label",
    reason: "refused by name where the kernel has no SELinux, as with runc; crun ignores it",
    when: () => !existsSync("/sys/fs/selinux/enforce"),
  },
  {
    program: "linux_ns_itype",
    reason:
      "a container without a mount namespace is refused by name: it would mount into the agent's own; pid, ipc and uts of a pod are the sandbox's or new whatever the spec leaves out (contract)",
  },
  {
    program: "linux_ns_path",
    point: "set mnt namespace by path",
    reason:
      "a mount namespace by path is refused by name: the container's root would become that of all who are in it. runc and crun join it",
  },
  {
    program: "linux_uid_mappings",
    point: "mounts[4] (/dev/mqueue) found in order",
    reason:
      "the queues of the pod's ipc namespace are mounted by the agent, for root of a user namespace may not; since Linux 6.8 mountinfo stands in the order of making, not of attaching",
    when: () => kernelAtLeast(6, 8),
  },
  { program: "linux_rootfs_propagation", reason: ALL_CAPABILITIES, when: lacksCapability },
  { program: "process_capabilities", reason: ALL_CAPABILITIES, when: lacksCapability },
  {
    program: "process_capabilities_fail",
    reason:
      "contradicts OCI since 1.1: a capability that the kernel doesn't know is a warning, not an error; runc and crun fail too",
  },
  {
    program: "misc_props",
    point: "implementations that are reading/processing this configuration file MUST NOT generate an error if they",
    reason: "can't pass: its bundle lacks the /runtimetest that the config runs; runc and crun fail too",
  },
  {
    program: "pidfile",
    reason:
      "can't pass: it kills a process (true) that has ended and wants no error, where kill.go wants one; runc and crun fail too",
  },
  {
    program: "prestart",
    reason: "contradicts OCI since 1.1: prestart hooks run as part of create, not of start; runc and crun fail too",
  },
  {
    program: "process_rlimits",
    point: "has expected soft RLIMIT_NOFILE",
    reason: "Go since 1.19 raises the soft limit of the program that looks at it; runc and crun fail too",
  },
  {
    program: "start",
    point: "exit status 1",
    reason: "CreateContainer refuses a spec without process, which start should do only then; runc and crun do so too",
  },
];

function kernelAtLeast(major: number, minor: number): boolean {
  const [first = 0, second = 0] = release().split(".").map(Number);
  return first > major || (first === major && second >= minor);
}

function lacksCapability(): boolean {
  const has = /^CapEff:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  return BigInt(`0x${has}`) !== (1n << BigInt(last + 1)) - 1n;
}
