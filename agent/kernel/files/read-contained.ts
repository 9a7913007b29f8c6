import { O_DIRECTORY, O_PATH } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { FilePart } from "../kernel.ts";
import type { Served } from "./contained-files.ts";
import { FILE_DATA } from "./file-protocol.ts";
import { type Handle, INSIDE, ROOT } from "./served-files.ts";

const [EFBIG, ENOTSUP] = [27, 95];

/**
 * Magic numbers of the file systems that may be read: they store what was written to them, in memory, on a disk or on the
 * host. All others (proc, sysfs, cgroup2, debugfs, tracefs, …) generate content on each read, of no known size and at the
 * kernel's expense; a list of those would never be complete.
 */
const KEEPING: readonly number[] = [
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x0000ef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0xe0f5e1e2, // erofs
  0x73717368, // squashfs
  0x00009660, // iso9660
  0x00004d44, // vfat
  0x65735546, // virtiofs and FUSE
  0x01021997, // 9p
  0x00006969, // nfs
];

/** Where a path is resolved: by default below the server's root, its links followed inside of it. */
export interface Resolution {
  readonly dir?: Handle;
  readonly resolve?: number;
}

/**
 * Reads a regular file, never beyond the limit. Throws SystemError: EFBIG if the file is longer, EINVAL if it isn't a regular
 * file, ENOTSUP if its file system may not be read.
 */
export async function readContained(
  files: Served,
  path: string,
  part: FilePart,
  { dir = ROOT, resolve = INSIDE }: Resolution = {},
): Promise<Buffer> {
  const { limit, tail = false } = part;
  // One byte beyond the limit shows that a file is too long; a tail may not be, as the file can grow meanwhile.
  const most = tail ? limit : limit + 1;
  const bytes =
    most <= FILE_DATA
      ? await files.load(dir, path, KEEPING, { most, tail, resolve })
      : await readLong(files, path, most, { dir, resolve, tail });
  if (bytes.length > limit) throw new SystemError("read", EFBIG, path);
  return bytes;
}

/** Reads a file that may not fit in one message. Most do. */
async function readLong(
  files: Served,
  path: string,
  most: number,
  { dir, resolve, tail }: Required<Resolution> & { readonly tail: boolean },
): Promise<Buffer> {
  const first = await files.load(dir, path, KEEPING, { most: FILE_DATA, tail, resolve });
  if (first.length < FILE_DATA) return first;
  return files.using(openKeeping(files, dir, path, resolve), (found, { size }) =>
    files.using(files.open(found, "", 0), (file) =>
      readPart(files, file, tail ? Math.max(0, Number(size) - most) : 0, most),
    ),
  );
}

/** Opens a path (O_PATH) on a file system that may be read. */
async function openKeeping(files: Served, dir: Handle, path: string, resolve = INSIDE) {
  const opened = await files.open(dir, path, O_PATH, resolve);
  try {
    const { type } = await files.statfs(opened.handle);
    if (!KEEPING.includes(type)) throw new SystemError("open", ENOTSUP, path);
    return opened;
  } catch (error) {
    files.close(opened.handle);
    throw error;
  }
}

/** Runs `use` with a directory of the guest, in which no link is followed if `resolve` says so. */
export function inDirectory<T>(
  files: Served,
  path: string,
  use: (dir: Handle) => Promise<T>,
  resolve = INSIDE,
): Promise<T> {
  return files.using(files.open(ROOT, path, O_PATH | O_DIRECTORY, resolve), use);
}

/** Reads so many bytes of an open file, or those up to its end. */
export async function readPart(files: Served, file: Handle, start: number, most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  while (length < most) {
    const asked = Math.min(most - length, FILE_DATA);
    const piece = await files.read(file, asked, start + length);
    pieces.push(piece);
    length += piece.length;
    if (piece.length < asked) break;
  }
  return Buffer.concat(pieces);
}
