import { BuildError } from "../build-error.ts";
import { shown } from "./check.ts";

/** Name prefixes by the index that an entry stores. */
const CLASSES: ReadonlyMap<number, string> = new Map([
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
]);
const HEADER = 12;

/** Returns the size in bytes of the attributes behind an inode, from the inode's count field. */
export const attributeBytes = (count: number): number => (count === 0 ? 0 : HEADER + 4 * (count - 1));

/**
 * Returns an inode's extended attributes, inline ones first, then shared ones.
 * @param at offset of the attributes
 * @param count the inode's count field
 * @param shared offset of the shared attributes
 */
export function erofsAttributes(bytes: Buffer, at: number, count: number, shared: number): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (count === 0) return found;
  const take = ({ name, value }: Attribute) => {
    if (found.has(name)) throw new BuildError(`EROFS: two attributes ${shown(name)} of one file`);
    found.set(name, value);
  };
  for (const one of inlineAttributes(bytes, at, count)) take(one);
  for (let index = 0; index < bytes.readUInt8(at + 4); index++) {
    take(readOne(bytes, shared + bytes.readUInt32LE(at + HEADER + 4 * index) * 4));
  }
  return found;
}

/** Yields the attributes stored beside an inode. */
export function* inlineAttributes(bytes: Buffer, at: number, count: number): Generator<Attribute> {
  if (count === 0) return;
  const end = at + attributeBytes(count);
  let next = at + HEADER + 4 * bytes.readUInt8(at + 4);
  if (next > end) throw new BuildError("EROFS: too many shared attributes for the inode");
  while (next < end) {
    const one = readOne(bytes, next);
    next = one.end;
    yield one;
  }
  if (next > end) throw new BuildError("EROFS: an attribute extends beyond its inode");
}

/** Returns the index of the prefix that a name starts with. */
export function attributeClass(name: string): number {
  const [kind] = [...CLASSES].find(([, prefix]) => name.startsWith(prefix)) ?? [];
  if (kind === undefined) throw new BuildError(`EROFS: no class for the attribute ${name}`);
  return kind;
}

interface Attribute {
  /**
   * Offset of the entry: the length of its name, its prefix index, the length of its value, then the name without its
   * prefix.
   */
  readonly at: number;
  readonly name: string;
  readonly value: Uint8Array;
  /** Offset of the next entry. */
  readonly end: number;
}

function readOne(bytes: Buffer, at: number): Attribute {
  const [length, kind, size] = [bytes.readUInt8(at), bytes.readUInt8(at + 1), bytes.readUInt16LE(at + 2)];
  const prefix = CLASSES.get(kind);
  if (prefix === undefined) throw new BuildError(`EROFS: an attribute of class ${kind}`);
  // Names of ACLs consist of the prefix alone.
  if ((length === 0) === prefix.endsWith("."))
    throw new BuildError(`EROFS: an attribute ${prefix} with an invalid name`);
  const [name, end] = [at + 4, at + 4 + length + size];
  if (end > bytes.length) throw new BuildError("EROFS: an attribute beyond the end of the file");
  return {
    at,
    name: prefix + bytes.toString("utf8", name, name + length),
    value: bytes.subarray(name + length, end),
    end: at + Math.ceil((end - at) / 4) * 4,
  };
}
