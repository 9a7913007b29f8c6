import { lstatSync } from "node:fs";
import type { CdiNode } from "./cdi-file.ts";

/** A node for a container with all that mknod wants; mode and owner may be left to the container. */
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

/** With type and numbers of the guest's own node where the file has none; a line when that is not there, or is another kind of file. */
export function fillNode({ hostPath, ...node }: CdiNode): FilledNode | string {
  const { type, major, minor } = node;
  if (type === "p" || (type !== undefined && major !== undefined)) {
    return { ...node, type, major: major ?? 0, minor: minor ?? 0 };
  }
  const stat = lstatSync(hostPath, { throwIfNoEntry: false });
  if (stat === undefined) return `${hostPath} is not in the guest`;
  const found = stat.isCharacterDevice() ? "c" : stat.isBlockDevice() ? "b" : stat.isFIFO() ? "p" : undefined;
  if (found === undefined) return `${hostPath} is no device`;
  if (type !== undefined && type.replace("u", "c") !== found) return `${hostPath} is of type ${found}, not ${type}`;
  if (found === "p") return { ...node, type: found, major: 0, minor: 0 };
  // dev_t of Linux: 12 and 20 bits.
  const { rdev } = stat;
  return { ...node, type: found, major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
