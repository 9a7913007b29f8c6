import { lstatSync } from "node:fs";
import type { CdiNode } from "./cdi-file.ts";

/** A node with everything that mknod needs. Mode and owner may be left to the container. */
export interface FilledNode {
  readonly path: string;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly access: string;
}

/**
 * Adds type and numbers from the guest's own node if the file has none. Returns a line if that node is missing or of
 * another type.
 */
export function fillNode({ hostPath, ...node }: CdiNode): FilledNode | string {
  const { type, major, minor } = node;
  if (type === "p" || (type !== undefined && major !== undefined)) {
    return { ...node, type, major: major ?? 0, minor: minor ?? 0 };
  }
  const stat = lstatSync(hostPath, { throwIfNoEntry: false });
  if (stat === undefined) return `${hostPath} is not in the guest`;
  const found = stat.isCharacterDevice() ? "c" : stat.isBlockDevice() ? "b" : stat.isFIFO() ? "p" : undefined;
  if (found === undefined) return `${hostPath} is not a device`;
  if (type !== undefined && type.replace("u", "c") !== found) return `${hostPath} is of type ${found}, not ${type}`;
  if (found === "p") return { ...node, type: found, major: 0, minor: 0 };
  // Linux encodes dev_t as 12 and 20 bits.
  const { rdev } = stat;
  return { ...node, type: found, major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
