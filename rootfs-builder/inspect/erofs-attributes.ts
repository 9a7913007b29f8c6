import { BuildError } from "../build-error.ts";

/** By the number that stands for it in an entry. */
const CLASSES: ReadonlyMap<number, string> = new Map([
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
]);
const HEADER = 12;

/** Bytes behind an inode whose field for it has this value. */
export const attributeBytes = (count: number): number => (count === 0 ? 0 : HEADER + 4 * (count - 1));

/**
 * Extended attributes of an inode: those beside it, then those that are shared, by number.
 * @param at where they begin
 * @param count the inode's field
 * @param shared where the shared ones begin
 */
export function erofsAttributes(bytes: Buffer, at: number, count: number, shared: number): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (count === 0) return found;
  const end = at + attributeBytes(count);
  const numbers = bytes.readUInt8(at + 4);
  let next = at + HEADER + 4 * numbers;
  if (next > end) throw new BuildError("EROFS: more shared attributes than there is room for");
  while (next < end) next = readOne(bytes, next, found);
  for (let index = 0; index < numbers; index++) {
    readOne(bytes, shared + bytes.readUInt32LE(at + HEADER + 4 * index) * 4, found);
  }
  return found;
}

/** Gives where the next one begins. */
function readOne(bytes: Buffer, at: number, found: Map<string, Uint8Array>): number {
  const [length, kind, size] = [bytes.readUInt8(at), bytes.readUInt8(at + 1), bytes.readUInt16LE(at + 2)];
  const prefix = CLASSES.get(kind);
  if (prefix === undefined) throw new BuildError(`EROFS: an attribute of class ${kind}`);
  const [name, end] = [at + 4, at + 4 + length + size];
  if (end > bytes.length) throw new BuildError("EROFS: an attribute past the end of the file");
  found.set(prefix + bytes.toString("utf8", name, name + length), bytes.subarray(name + length, end));
  return at + Math.ceil((end - at) / 4) * 4;
}
