import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";

/** A point of the suite that guestd fails, and why that is right or unavoidable on this machine. */
export interface KnownFailure {
  /** Name of the program; any program if absent. */
  readonly program?: string;
  /** Start of the point's text, or "(program)" for a failure without a point; any point of the program if absent. */
  readonly point?: string;
  readonly reason: string;
  /** Condition under which the failure is expected; always if absent. */
  readonly when?: () => boolean;
}

const V1_ONLY =
  "the suite reads the files of cgroup v1 only (its cgroups.go: cgroup v2 is not supported yet); guestd supports v2 only, whose limits test/scenarios/limits.ts and agent/container/cgroup/cgroup-*.test.ts check. runc and crun ran the program with this machine's v1";
const CGROUPS = ["blkio", "cpus", "devices", "hugetlb", "memory", "network", "pids"].flatMap((controller) => [
  { program: `linux_cgroups_${controller}`, reason: V1_ONLY },
  { program: `linux_cgroups_relative_${controller}`, reason: V1_ONLY },
]);

const ALL_CAPABILITIES =
  "the spec asks for every capability, and this machine's root lacks one (usually CAP_SYS_RESOURCE): EPERM, as with runc and crun";
const GUEST_BUNDLE =
  "the state names the bundle in the guest, /run/kata-containers/<id>, where hooks of a Kata guest look for it; the suite knows the host's directory";

const BY_ID =
  "the agent mounts devpts, because only its instances may use kernel.pty.reserve; since Linux 6.8 mountinfo lists mounts in order of creation, not of attachment";

export const KNOWN_FAILURES: readonly KnownFailure[] = [
  { point: "mounts[2] (/dev/pts) found in order", reason: BY_ID, when: () => kernelAtLeast(6, 8) },
  ...["hostname", "linux_masked_paths", "linux_readonly_paths"].map((program) => ({
    program,
    reason: `each of its points fails with the container's whole output: ${BY_ID}. test/scenarios, test/attack/renamed-mounts.test.ts and test/differential check names and paths`,
    when: () => kernelAtLeast(6, 8),
  })),
  ...CGROUPS,
  { program: "delete_only_create_resources", reason: V1_ONLY },
  { program: "delete_resources", reason: V1_ONLY },
  {
    program: "hooks",
    reason:
      "can't pass: it expects lines that its own hooks don't write (post-start1 instead of post-start1 called); runc and crun fail too. hooks.ts in test/scenarios checks the order",
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
    reason: "refused by name on kernels without SELinux, as with runc; crun ignores it",
    when: () => !existsSync("/sys/fs/selinux/enforce"),
  },
  {
    program: "linux_ns_itype",
    reason:
      "a container without a mount namespace is refused by name, because it would mount into the agent's own; pid, ipc and uts namespaces are the sandbox's or new even if the spec omits them (contract)",
  },
  {
    program: "linux_ns_path",
    point: "set mnt namespace by path",
    reason:
      "a mount namespace by path is refused by name, because the container's root would become the root of every process in it. runc and crun join it",
  },
  {
    program: "linux_uid_mappings",
    point: "mounts[4] (/dev/mqueue) found in order",
    reason:
      "the agent mounts the queues of the pod's ipc namespace, because root of a user namespace may not; since Linux 6.8 mountinfo lists mounts in order of creation, not of attachment",
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
    reason: "can't pass: its bundle lacks /runtimetest, which its config runs; runc and crun fail too",
  },
  {
    program: "pidfile",
    reason:
      "can't pass: it expects no error for killing a process (true) that has ended, and kill.go expects one; runc and crun fail too",
  },
  {
    program: "prestart",
    reason: "contradicts OCI since 1.1: prestart hooks run as part of create, not of start; runc and crun fail too",
  },
  {
    program: "process_rlimits",
    point: "has expected soft RLIMIT_NOFILE",
    reason: "Go 1.19 and later raises the soft limit of the program that reads it; runc and crun fail too",
  },
  {
    program: "start",
    point: "exit status 1",
    reason: "CreateContainer refuses a spec without a process, but only start should; runc and crun do so too",
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
