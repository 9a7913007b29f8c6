import type { TreeEntry } from "./tree.ts";

/** Upper four bits of a mode, the same in all file systems and in cpio. */
const NIBBLES = { directory: 0o04, file: 0o10, symlink: 0o12 } as const satisfies Record<TreeEntry["type"], number>;
const TYPES = new Map(Object.entries(NIBBLES).map(([type, nibble]) => [nibble, type as TreeEntry["type"]] as const));

/** Returns undefined for a device, a pipe, a socket or an invalid type. */
export function typeOf(mode: number): TreeEntry["type"] | undefined {
  return TYPES.get((mode >> 12) as 0o04);
}

/** Returns a complete mode from its permission bits. */
export function wholeMode(type: TreeEntry["type"], permissions: number): number {
  return (NIBBLES[type] << 12) | permissions;
}
