/** Words for flags of the Linux ABI. */
const CLONE = [
  [0x80, "time"],
  [0x20000, "mount"],
  [0x2000000, "cgroup"],
  [0x4000000, "uts"],
  [0x8000000, "ipc"],
  [0x10000000, "user"],
  [0x20000000, "pid"],
  [0x40000000, "net"],
] as const;

const ATTRIBUTES = [
  [0x1, "ro"],
  [0x2, "nosuid"],
  [0x4, "nodev"],
  [0x8, "noexec"],
  [0x10, "noatime"],
  [0x20, "strictatime"],
  [0x80, "nodiratime"],
  [0x100000, "idmap"],
  [0x200000, "nosymfollow"],
] as const;

const PROPAGATION = [
  [0x4000, "recursively"],
  [1 << 17, "unbindable"],
  [1 << 18, "private"],
  [1 << 19, "slave"],
  [1 << 20, "shared"],
] as const;

const REMOUNT = [
  [0x1, "ro"],
  [0x2, "nosuid"],
  [0x4, "nodev"],
  [0x8, "noexec"],
  [0x10, "sync"],
  [0x40, "mand"],
  [0x80, "dirsync"],
  [0x100, "nosymfollow"],
  [0x400, "noatime"],
  [0x800, "nodiratime"],
  [0x1000, "bind"],
  [0x8000, "silent"],
  [1 << 21, "relatime"],
  [1 << 23, "iversion"],
  [1 << 24, "strictatime"],
  [1 << 25, "lazytime"],
] as const;

/** Namespaces of CLONE_NEW* flags: "mount uts pid". */
export const namespaceWords = (flags: number): string => words(CLONE, flags);
/** MOUNT_ATTR_* as mount options: "ro nosuid". */
export const attributeWords = (attributes: number): string => words(ATTRIBUTES, attributes);
/** MS_* of a remount as mount options: "ro bind". */
export const remountWords = (flags: number): string => words(REMOUNT, flags);
/** MS_SHARED …, MS_REC: "slave recursively". */
export const propagationWords = (flags: number): string => words(PROPAGATION.toReversed(), flags);

function words(table: readonly (readonly [number, string])[], flags: number): string {
  const known = table.filter(([bit]) => (flags & bit) !== 0);
  const rest = known.reduce((left, [bit]) => left & ~bit, flags) >>> 0;
  return [...known.map(([, word]) => word), ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])].join(" ");
}
