import { capabilityMask } from "../../kernel/capabilities.ts";
import type { Spec } from "../spec.ts";
import type { SeccompRule, SeccompSpec } from "./seccomp-spec.ts";

/** A group of calls that the default filter denies. */
interface Denied {
  /** Explains to people why. */
  readonly reason: string;
  readonly names: string;
  /** Capabilities, each of which allows the calls. Default: none does. */
  readonly unless?: readonly string[];
  readonly errnoRet?: number;
  /** Conditions, each of which denies the call. Default: it is always denied. */
  readonly args?: SeccompRule["args"];
}

const ENOSYS = 38;
/**
 * Address families that Docker's default profile refuses: DECnet, Econet, ATMSVC, IrDA, WANPIPE, ISDN, CAIF, ALG, VSOCK,
 * and all from 46 on.
 */
const [FAMILIES, FIRST_UNKNOWN_FAMILY] = [[12, 19, 20, 23, 25, 34, 37, 38, 40], 46];
const LOW_32 = 0xffffffff;
/**
 * CLONE_NEWNS … CLONE_NEWNET. CLONE_NEWTIME is only for unshare and clone3: in clone its bit is part of the exit
 * signal.
 */
const CLONE_NEW = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000];
const PER_LINUX32 = 3;
const UNAME26 = 17;
const TOP_BIT = 31;

/**
 * Calls that ordinary programs never make, or that were used to escape from a container or to attack its kernel. All
 * others are allowed: the kernel checks capabilities itself, and this second barrier reduces the attack surface of
 * the first. What Docker's default profile refuses is among them.
 */
const DENIED: readonly Denied[] = [
  {
    reason:
      "the guest talks to its host by vsock, and so does the agent; the others load modules that few programs use",
    names: "socket socketpair",
    args: [
      ...FAMILIES.map((family) => masked(0, LOW_32, family)),
      { index: 0, value: String(FIRST_UNKNOWN_FAMILY), valueTwo: "0", op: "SCMP_CMP_GE" },
    ],
  },
  { reason: "arguments in memory, where a filter does not see AF_VSOCK", names: "socketcall" },
  {
    reason: "mounts",
    names:
      "mount umount umount2 pivot_root fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr mount_setattr quotactl " +
      "quotactl_fd fanotify_init",
    unless: ["SYS_ADMIN"],
  },
  { reason: "names of the uts namespace", names: "sethostname setdomainname", unless: ["SYS_ADMIN"] },
  { reason: "another root", names: "chroot", unless: ["SYS_CHROOT"] },
  {
    reason: "security modules",
    names: "lsm_get_self_attr lsm_list_modules lsm_set_self_attr",
    unless: ["SYS_ADMIN"],
  },
  { reason: "other processes", names: "kcmp pidfd_getfd process_madvise", unless: ["SYS_PTRACE"] },
  { reason: "hangs up a terminal", names: "vhangup", unless: ["SYS_TTY_CONFIG"] },
  { reason: "namespaces expose much of the kernel", names: "unshare setns", unless: ["SYS_ADMIN"] },
  {
    reason: "new namespaces",
    names: "clone",
    unless: ["SYS_ADMIN"],
    args: CLONE_NEW.map((flag) => masked(0, flag, flag)),
  },
  {
    reason: "flags in memory; programs fall back on clone",
    names: "clone3",
    unless: ["SYS_ADMIN"],
    errnoRet: ENOSYS,
  },
  {
    reason: "kernel modules",
    names: "init_module finit_module delete_module create_module query_module get_kernel_syms",
    unless: ["SYS_MODULE"],
  },
  { reason: "another kernel, or none", names: "kexec_load kexec_file_load reboot", unless: ["SYS_BOOT"] },
  { reason: "programs in the kernel", names: "bpf", unless: ["SYS_ADMIN", "BPF"] },
  { reason: "observes other containers", names: "perf_event_open", unless: ["SYS_ADMIN", "PERFMON"] },
  { reason: "keyrings have no namespace", names: "add_key request_key keyctl" },
  { reason: "makes races in the kernel easy to win", names: "userfaultfd" },
  { reason: "its operations bypass seccomp filters", names: "io_uring_setup io_uring_enter io_uring_register" },
  { reason: "files outside of the root", names: "open_by_handle_at", unless: ["DAC_READ_SEARCH"] },
  { reason: "swap and accounting of the guest", names: "swapon swapoff", unless: ["SYS_ADMIN"] },
  { reason: "accounting of the guest", names: "acct", unless: ["SYS_PACCT"] },
  {
    reason: "the guest's clock",
    names: "settimeofday stime clock_settime clock_settime64",
    unless: ["SYS_TIME"],
  },
  { reason: "the kernel's log", names: "syslog", unless: ["SYS_ADMIN", "SYSLOG"] },
  { reason: "the machine's ports", names: "iopl ioperm", unless: ["SYS_RAWIO"] },
  {
    reason: "memory of other processes on other nodes",
    names: "mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages",
    unless: ["SYS_NICE"],
  },
  {
    reason: "personalities other than Linux, 32-bit Linux, and the question",
    names: "personality",
    args: oddPersonas(),
  },
  {
    reason: "unused for decades",
    names: "_sysctl uselib ustat sysfs nfsservctl lookup_dcookie vm86 vm86old",
  },
];

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

const byCapabilities = new Map<bigint, SeccompSpec>();

/** Returns the spec, with the default filter if it has none. */
export function withDefaultSeccomp(spec: Spec): Spec {
  if (spec.linux.seccomp !== undefined) return spec;
  return { ...spec, linux: { ...spec.linux, seccomp: defaultSeccomp(spec.process.capabilities?.bounding ?? []) } };
}

/** Returns the default filter for a container with these capabilities in its bounding set. */
export function defaultSeccomp(capabilities: readonly string[]): SeccompSpec {
  const held = capabilityMask(capabilities);
  const known = byCapabilities.get(held);
  if (known !== undefined) return known;
  const denied = DENIED.filter(({ unless = [] }) => (capabilityMask(unless) & held) === 0n);
  const filter: SeccompSpec = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ARCHITECTURES[process.arch] ?? [],
    flags: [],
    syscalls: denied.map(({ names, args = [], errnoRet }) => ({
      names: names.split(" "),
      action: "SCMP_ACT_ERRNO",
      args,
      errnoRet,
    })),
  };
  byCapabilities.clear();
  byCapabilities.set(held, filter);
  return filter;
}

/** Condition that (argument & mask) == value. */
function masked(index: number, mask: number, value: number): SeccompRule["args"][number] {
  return { index, value: String(mask), valueTwo: String(value), op: "SCMP_CMP_MASKED_EQ" };
}

/**
 * Matches every 32-bit value except 0xffffffff, which only queries, and those with no bits other than PER_LINUX32's and
 * UNAME26's: another bit is set and the top one is not, or the top one is set and another is not.
 */
function oddPersonas(): SeccompRule["args"] {
  const top = 2 ** TOP_BIT;
  const bits = Array.from({ length: TOP_BIT }, (_, bit) => bit);
  const odd = bits.filter((bit) => bit !== PER_LINUX32 && bit !== UNAME26);
  return [
    ...odd.map((bit) => masked(0, top + 2 ** bit, 2 ** bit)),
    ...bits.map((bit) => masked(0, top + 2 ** bit, top)),
  ];
}
