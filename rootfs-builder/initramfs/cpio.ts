import { BuildError } from "../build-error.ts";
import { wholeMode } from "../tree/entry-type.ts";
import type { TreeEntry } from "../tree/tree.ts";

export interface CpioEntry {
  /** Without a leading slash; parents first. */
  readonly path: string;
  readonly type: TreeEntry["type"];
  /** Permission bits. */
  readonly mode: number;
  /** 0, root, when left out. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** What a file holds, or where a symlink points. */
  readonly content?: Buffer;
}

const MAGIC = "070701";
const TRAILER = "TRAILER!!!";
/** Ends of archives are padded to this by cpio; the kernel does not mind. */
const BLOCK = 512;
const MAX_SIZE = 0xffff_ffff;

/**
 * A cpio archive in the "newc" format, which the kernel unpacks as initramfs. Everything is of time 0, and inode
 * numbers count up, so that equal entries give equal bytes.
 */
export function cpioArchive(entries: Iterable<CpioEntry>): Buffer {
  const parts: Buffer[] = [];
  let inode = 0;
  for (const { path, type, mode, uid = 0, gid = 0, content = Buffer.alloc(0) } of entries) {
    inode += 1;
    if (content.length > MAX_SIZE)
      throw new BuildError(`initramfs: ${path} has ${content.length} bytes: 4 GiB at most`);
    const links = type === "directory" ? 2 : 1;
    parts.push(
      header({ inode, mode: wholeMode(type, mode), uid, gid, links, size: content.length, path }),
      padded(content, 4),
    );
  }
  parts.push(header({ inode: 0, mode: 0, uid: 0, gid: 0, links: 1, size: 0, path: TRAILER }));
  return padded(Buffer.concat(parts), BLOCK);
}

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly size: number;
  readonly path: string;
}

/** Thirteen numbers of eight hexadecimal digits each, then the name and a NUL, padded to four bytes. */
function header({ inode, mode, uid, gid, links, size, path }: Header): Buffer {
  const name = Buffer.from(`${path}\0`);
  const [time, major, minor, checksum] = [0, 0, 0, 0];
  const numbers = [inode, mode, uid, gid, links, time, size, major, minor, major, minor, name.length, checksum];
  const digits = numbers.map((value) => value.toString(16).padStart(8, "0")).join("");
  return padded(Buffer.concat([Buffer.from(MAGIC + digits), name]), 4);
}

function padded(bytes: Buffer, unit: number): Buffer {
  const missing = (unit - (bytes.length % unit)) % unit;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
