import type { TreeEntry } from "./tree.ts";

/** The upper four bits of a mode, as all file systems and cpio have them. */
const NIBBLES = { directory: 0o04, file: 0o10, symlink: 0o12 } as const satisfies Record<TreeEntry["type"], number>;
const TYPES = new Map(Object.entries(NIBBLES).map(([type, nibble]) => [nibble, type as TreeEntry["type"]] as const));

/** Undefined for a device, a pipe, a socket, and what is none of these. */
export function typeOf(mode: number): TreeEntry["type"] | undefined {
  return TYPES.get((mode >> 12) as 0o04);
}

/** A whole mode of these permission bits. */
export function wholeMode(type: TreeEntry["type"], permissions: number): number {
  return (NIBBLES[type] << 12) | permissions;
}
