import { readdirSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";

const folder = join(import.meta.dirname, "../../../proto");
const MAX_DEPTH = 6;
const MANY = 20_000;
/** A name that leads out of a folder, controls a terminal, and looks like an option. */
export const EVIL = "--help\n\u001b]0;evil\u0007\u009b2J../../evil";

/** Ways to fill a message: everything plausible, or one kind of value at its worst. */
export type Manner = "plausible" | "names" | "long" | "bytes" | "many" | "numbers" | "counts";

/** Numbers of fields of 64 bits: refused at once, or the largest that are exact. */
const LARGE: Partial<Record<Manner, number>> = { numbers: 2 ** 62, counts: Number.MAX_SAFE_INTEGER };

let root: protobuf.Root | undefined;

function load(): protobuf.Root {
  const all = new protobuf.Root();
  all.resolvePath = (_origin, target) => join(folder, target);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".proto")))
    all.loadSync(file, { keepCase: true });
  all.resolveAll();
  return all;
}

/** Encodes a message of this type, with all its fields, in at most `most` bytes. */
export function worstMessage(name: string, manner: Manner, most: number): Uint8Array {
  root ??= load();
  const type = root.lookupType(name);
  for (let size = most; ; size = Math.floor(size / 4)) {
    const bytes = type.encode(type.fromObject(fieldsOf(type, manner, size, 0))).finish();
    if (bytes.length <= most || size === 0) return bytes;
  }
}

function fieldsOf(type: protobuf.Type, manner: Manner, size: number, depth: number): Record<string, unknown> {
  const fields = type.fieldsArray.flatMap((field) => {
    const one = fieldOf(field, manner, size, depth);
    if (one === undefined) return [];
    if (field.map) return [[field.name, { [manner === "names" ? EVIL : "x"]: one }]];
    const count = manner === "many" && depth === 0 ? Math.min(MANY, Math.floor(size / 16)) : 1;
    return [[field.name, field.repeated ? Array(count).fill(one) : one]];
  });
  return Object.fromEntries(fields) as Record<string, unknown>;
}

function fieldOf({ name, type, resolvedType }: protobuf.Field, manner: Manner, size: number, depth: number): unknown {
  if (resolvedType instanceof protobuf.Type)
    return depth > MAX_DEPTH ? undefined : fieldsOf(resolvedType, manner, Math.floor(size / 4), depth + 1);
  if (resolvedType instanceof protobuf.Enum) return LARGE[manner] === undefined ? 1 : 2 ** 31 - 1;
  const long = Math.max(Math.floor(size / 4), 1);
  if (type === "string")
    return manner === "names" ? EVIL : manner === "long" ? "a".repeat(long) : manner === "numbers" ? "7" : "web";
  if (type === "bytes") return Buffer.alloc(manner === "bytes" ? long : 8, "b");
  if (type === "bool") return true;
  if (name === "end" && manner === "plausible") return 2 ** 45; // an output's, which then never comes
  const large = LARGE[manner];
  return large === undefined ? 2 : /64/.test(type) ? large : 2 ** 31 - 1;
}
