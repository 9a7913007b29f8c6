import { isCheckout } from "../../lib/package-root.ts";
import { setupCommand } from "./guestctl-command.ts";

const TOO_LITTLE_MEMORY =
  "this machine, or a limit (ulimit -v, a cgroup), leaves too little memory; use a smaller --vm-memory";
const UNREADABLE = "check that it exists, and that this user may read it";
const SETUP = `run ${setupCommand()}`;
const MONITOR = isCheckout() ? "run npm run build" : "reinstall guestd";
const OTHER_QEMU = "this QEMU is too old, or was built without it; guestd needs QEMU 7.2 or later, as in Debian 12";
const NO_FILTER = `this QEMU was built without seccomp, which confines it; ${SETUP}, or install the distribution's`;
const SOCKETS = "set TMPDIR to a short, writable path";

/**
 * Remedies for what QEMU, virtiofsd, vhost-device-vsock and their monitor say when they can't start. Most specific first: the
 * first that a program's last messages have is taken. Sources: these programs (QEMU 7.2, its virtiofsd), made to fail.
 */
const REMEDIES: readonly (readonly [says: RegExp, remedy: string])[] = [
  [/error while loading shared libraries: \S+/, `install the package that has it, or ${SETUP}`],
  [/monitor: spawn \S+ (ENOENT|EACCES)/, MONITOR],
  [/exec \S+: (No such file|Not a directory)/, SETUP],
  [/exec \S+: Permission denied/, "make it executable for this user (chmod +x)"],
  [/exec \S+: Exec format error/, `it is for another architecture; ${SETUP}`],
  [
    /invalid kernel header|could not load kernel|without PVH ELF Note/,
    "it is no Linux kernel (bzImage); choose another",
  ],
  [/could not open kernel file|error reading initrd|Error opening logfile/, UNREADABLE],
  [/could not load (PC )?BIOS|failed to find romfile/i, `QEMU's firmware files are missing; ${SETUP}`],
  [
    /Failed to get "write" lock|Is another process using the image/,
    "stop what uses this disk; guestctl ps lists guests",
  ],
  [/Could not open '\/dev\/vhost-vsock'/, "load the module vhost_vsock, and join the group of the device"],
  [/Could not access KVM|failed to initialize kvm|KVM_CREATE_VM/i, "join the group kvm, or set GUESTD_ACCEL=tcg"],
  [/Could not open '[^']+'/, UNREADABLE],
  [/cannot set up guest memory|Cannot allocate memory|jit buffer/, TOO_LITTLE_MEMORY],
  [/preallocating memory failed|No space left on device|backing store size .* does not match/, "free space in TMPDIR"],
  [/Invalid SMP CPUs/, "ask for fewer processors"],
  [/Could not set up host forwarding rule/, "the port is in use on this machine, or below 1024; choose another"],
  [/could not (open|configure) \/dev\/net\/tun/i, "check that the tap device exists and belongs to this user"],
  [/not a valid device model name|unsupported machine type|unable to find CPU model/, OTHER_QEMU],
  [/-sandbox support is not enabled/, NO_FILTER],
  [/Invalid parameter|invalid option|no option group|does not exist|seccomp/i, OTHER_QEMU],
  [/[Pp]ath too long|is too long|Failed to bind|vhost socket bind|cannot create vhost-user listener/, SOCKETS],
  [/Failed to connect to/, "its device program has ended; look at the first failure above"],
  [/source is not a directory/, "share a folder, and check that it exists"],
  [/can't read \/proc\/|\/proc\/self/, "mount /proc here; in a chroot: mount -t proc proc /proc"],
  [/Could not create '[^']*\.pid'/, `QEMU's virtiofsd needs root; ${SETUP} --virtiofsd, which builds the one in Rust`],
  [
    /chroot|unshare|pivot_root|Operation not permitted/,
    "its sandbox needs more rights than this user or container has",
  ],
  [/Too many open files/, "raise the limit of open files (ulimit -n)"],
];

/** Returns what to do about a program that ended with these messages; undefined for unknown ones. */
export function startRemedy(messages: string): string | undefined {
  return REMEDIES.find(([says]) => says.test(messages))?.[1];
}
