/** Capabilities of Linux 6.x, in the order of their numbers (include/uapi/linux/capability.h). */
const NAMES =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE".split(
    " ",
  );

/** Mask of all capabilities. */
export const ALL_CAPABILITIES = (1n << BigInt(NAMES.length)) - 1n;

/** Mask of each capability, by its name with and without the `CAP_` prefix. */
const MASKS = new Map(NAMES.flatMap((name, number) => [name, `CAP_${name}`].map((key) => [key, 1n << BigInt(number)])));

/**
 * Returns a 64-bit mask for names with or without the `CAP_` prefix (the Go shim sends it, runtime-rs doesn't). Ignores
 * unknown names, like the OCI spec, Kata and runc; `unknownCapabilities` lists them.
 */
export function capabilityMask(names: readonly string[]): bigint {
  const known = maskOfList.get(names);
  if (known !== undefined) return known;
  let mask = 0n;
  for (const name of names) mask |= maskOf(name) ?? 0n;
  maskOfList.set(names, mask);
  return mask;
}

/** Masks by list: the call that brings a list needs its mask several times. */
const maskOfList = new WeakMap<readonly string[], bigint>();

/** Returns the names in a mask, without prefix; "none" for an empty mask. */
export function capabilityNames(mask: bigint): string {
  const names = NAMES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
  return names.length === 0 ? "none" : names.join(" ");
}

/** True for a name with or without prefix, in any case. */
export function isCapability(name: string): boolean {
  return maskOf(name) !== undefined;
}

function maskOf(name: string): bigint | undefined {
  return MASKS.get(name) ?? MASKS.get(name.toUpperCase().replace(/^CAP_/, ""));
}
