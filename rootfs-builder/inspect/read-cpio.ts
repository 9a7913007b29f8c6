import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { BuildError } from "../build-error.ts";
import { MAX_PATH } from "../tree/check-entry.ts";
import { typeOf } from "../tree/entry-type.ts";
import { owned, type Tree, type TreeEntry, type TreeFile } from "../tree/tree.ts";
import { reading, shown } from "./check.ts";

const MAGIC = "070701";
const HEADER = 110;
/** Limit for an initramfs once decompressed, in bytes. */
const MAX_UNPACKED = 1 << 30;
const TRAILER = "TRAILER!!!";

export function isCpio(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0, 6) === MAGIC;
}

/** Decompresses gzip or zstd; `how` names the compression. */
export function unpacked(bytes: Buffer): { readonly bytes: Buffer; readonly how: "none" | "gzip" | "zstd" } {
  const options = { maxOutputLength: MAX_UNPACKED };
  if (bytes.length > 2 && bytes.readUInt16BE(0) === 0x1f8b) {
    return reading("gzip", () => ({ bytes: gunzipSync(bytes, options), how: "gzip" }));
  }
  if (bytes.length > 4 && bytes.readUInt32LE(0) === 0xfd2fb528) {
    return reading("zstd", () => ({ bytes: zstdDecompressSync(bytes, options), how: "zstd" }));
  }
  return { bytes, how: "none" };
}

/** A file with several names, which share this object; the last entry carries the content. */
interface Linked {
  type: "linked";
  file: TreeFile;
}

/** Reads a newc archive as the kernel unpacks it. */
export function readCpio(bytes: Buffer): Tree {
  return reading("initramfs", () => {
    const found = new Map<string, TreeEntry | Linked>();
    const links = new Map<string, Linked>();
    let at = 0;
    for (;;) {
      const number = (index: number) => field(bytes, at + 6 + 8 * index);
      if (!isCpio(bytes.subarray(at, at + 6))) throw new BuildError(`initramfs: no entry at ${at}`);
      const [inode, mode, uid, gid, size] = [number(0), number(1), number(2), number(3), number(6)];
      const nameEnd = at + HEADER + number(11);
      if (number(11) > MAX_PATH + 1) throw new BuildError(`initramfs: a name of ${number(11)} bytes at ${at}`);
      const path = bytes.toString("utf8", at + HEADER, nameEnd - 1);
      const start = aligned(nameEnd);
      if (path === TRAILER) break;
      if (start + size > bytes.length)
        throw new BuildError(`initramfs: ${shown(path)} extends beyond the end of the archive`);
      const content = bytes.subarray(start, start + size);
      const entry = entryOf(path, mode, content, owned({ uid, gid }));
      const isLinked = number(4) > 1 && entry.type === "file";
      found.set(path, isLinked ? linked(links, `${number(7)}:${number(8)}:${inode}`, entry) : entry);
      at = aligned(start + size);
    }
    return new Map(Array.from(found, ([path, entry]) => [path, entry.type === "linked" ? entry.file : entry]));
  });
}

function linked(links: Map<string, Linked>, key: string, file: TreeFile): Linked {
  const known = links.get(key);
  if (known === undefined) {
    const made: Linked = { type: "linked", file };
    links.set(key, made);
    return made;
  }
  if (file.content.length > 0) known.file = file;
  return known;
}

function entryOf(path: string, mode: number, content: Buffer, owner: ReturnType<typeof owned>): TreeEntry {
  const type = typeOf(mode);
  switch (type) {
    case "directory":
      return { type, mode: mode & 0o7777, ...owner };
    case "file":
      return { type, mode: mode & 0o7777, content, ...owner };
    case "symlink":
      return { type, target: content.toString(), ...owner };
    default:
      throw new BuildError(`initramfs: ${shown(path)} is a device, a pipe or a socket`);
  }
}

function field(bytes: Buffer, at: number): number {
  const digits = bytes.toString("latin1", at, at + 8);
  if (!/^[0-9a-fA-F]{8}$/.test(digits))
    throw new BuildError(`initramfs: no number at ${at}: ${JSON.stringify(digits)}`);
  return Number.parseInt(digits, 16);
}

function aligned(at: number): number {
  return Math.ceil(at / 4) * 4;
}
