import { BuildError } from "../build-error.ts";
import { wholeMode } from "../tree/entry-type.ts";
import type { TreeEntry } from "../tree/tree.ts";

export interface CpioEntry {
  /** Path without a leading slash. Parents come first. */
  readonly path: string;
  readonly type: TreeEntry["type"];
  /** Permission bits. */
  readonly mode: number;
  /** Defaults to 0, root. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Content of a file, or target of a symlink. */
  readonly content?: Buffer;
}

const MAGIC = "070701";
const TRAILER = "TRAILER!!!";
/** cpio pads archives to this size; the kernel doesn't require it. */
const BLOCK = 512;
const MAX_SIZE = 0xffff_ffff;

/**
 * Returns a cpio archive in "newc" format, which the kernel unpacks as initramfs. All times are 0 and inode numbers are
 * consecutive, so that equal entries give equal bytes.
 */
export function cpioArchive(entries: Iterable<CpioEntry>): Buffer {
  const parts: Buffer[] = [];
  let inode = 0;
  for (const { path, type, mode, uid = 0, gid = 0, content = Buffer.alloc(0) } of entries) {
    inode += 1;
    if (content.length > MAX_SIZE)
      throw new BuildError(`initramfs: ${path} has ${content.length} bytes, more than 4 GiB`);
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

/** Returns a header: thirteen numbers of eight hexadecimal digits, the name and a NUL byte, padded to four bytes. */
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
