/** A system call's number per machine; undefined if the machine doesn't have the call. */
interface CallNumbers {
  readonly x64: number;
  readonly arm64: number | undefined;
}

const both = (number: number): CallNumbers => ({ x64: number, arm64: number });
const call = (x64: number, arm64: number | undefined): CallNumbers => ({ x64, arm64 });

/**
 * System calls that an attacker in control of the agent would want, and that neither the agent nor a program it runs (ip, iptables,
 * mkfs, modprobe) needs. Containers, execs, hooks, other runtimes and debug shells are init's children and not affected.
 */
export const REFUSED_CALLS: Readonly<Record<string, CallNumbers>> = {
  // Other processes' memory and descriptors
  ptrace: call(101, 117),
  process_vm_readv: call(310, 270),
  process_vm_writev: call(311, 271),
  process_madvise: both(440),
  pidfd_getfd: both(438),
  kcmp: call(312, 272),
  // The kernel: another one, its profile, its settings. Module loading: see MODULE_CALLS
  kexec_load: call(246, 104),
  kexec_file_load: call(320, 294),
  delete_module: call(176, 106),
  perf_event_open: call(298, 241),
  syslog: call(103, 116),
  lookup_dcookie: call(212, 18),
  reboot: call(169, 142),
  // Large, rarely used interfaces with a history of vulnerabilities
  io_uring_setup: both(425), // enough: without a ring the other io_uring calls have no use
  userfaultfd: call(323, 282),
  fanotify_init: call(300, 262),
  vmsplice: call(278, 75),
  add_key: call(248, 217),
  request_key: call(249, 218),
  keyctl: call(250, 219),
  memfd_secret: both(447),
  modify_ldt: call(154, undefined),
  iopl: call(172, undefined),
  ioperm: call(173, undefined),
  uselib: call(134, undefined),
  personality: call(135, 92),
  // Other roots, files by handle, limits of others
  pivot_root: call(155, 41),
  chroot: call(161, 51),
  open_by_handle_at: call(304, 265),
  acct: call(163, 89),
  swapoff: call(168, 225),
  quotactl: call(179, 60),
  quotactl_fd: both(443),
  vhangup: call(153, 58),
  setdomainname: call(171, 162),
  adjtimex: call(159, 171),
  clock_adjtime: call(305, 266),
  mbind: call(237, 235),
  set_mempolicy: call(238, 237),
  migrate_pages: call(256, 238),
  move_pages: call(279, 239),
};

/** Calls refused once the sandbox's requested modules are loaded. */
export const MODULE_CALLS: Readonly<Record<string, CallNumbers>> = {
  init_module: call(175, 105),
  finit_module: call(313, 273),
};

/** Commands of bpf(2) that device filters need: BPF_PROG_LOAD, _ATTACH, _GET_FD_BY_ID, _QUERY. */
export const BPF: CallNumbers = call(321, 280);
export const BPF_COMMANDS = [5, 8, 13, 16];

/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET (ip's fallback), AF_VSOCK. */
export const SOCKET: CallNumbers = call(41, 198);
export const SOCKET_FAMILIES = [1, 2, 10, 16, 17, 40];

/** fchmodat2 of Linux 6.6. Later calls fail with ENOSYS, as on an older kernel, so programs fall back and no new call escapes this list. */
export const NEWEST_CALL = 452;
