import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "./constants.ts";
import type { Fd, FilePart, Sys } from "./kernel.ts";
import { HangingCalls } from "./wait/limited-calls.ts";
import { waitUntil } from "./wait/wait-until.ts";

/** Below a root that a container can write to: links stay in it, and those of /proc lead nowhere. */
const INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/**
 * Magic numbers of the file systems whose files are read: those that keep what was written to them, in memory, on a disk or
 * with the host. The kernel makes up the content of all others (proc, sysfs, cgroup2, debugfs, tracefs, …) as it is read,
 * without a size and at its own cost; a list of those would never be complete.
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
/** Where a copy is read in pieces. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);
const DEVPTS: readonly number[] = [0x00001cd1];

/**
 * Looks at what containers may have put somebody else in charge of. One at a time: of libuv's four threads, two are for
 * file systems of the host (may-hang.ts), and one stays free.
 */
const looks = new HangingCalls(1);

type InsideSys = Pick<Sys, "openInside" | "copyInside" | "read" | "dup" | "close">;

/**
 * Content of a regular file below `root`, whose content and links a container decides. Off the main thread, and never more
 * than the limit. Throws SystemError: EFBIG for a longer one, EINVAL for what is no regular file, ENOTSUP on another file
 * system; or `unavailable` while others don't answer.
 */
export async function readContained(
  sys: InsideSys,
  root: Fd,
  path: string,
  part: FilePart & { readonly resolve?: number },
  signal?: AbortSignal,
): Promise<Buffer> {
  const { resolve = INSIDE } = part;
  const copy = await look(sys, root, path, (dir) => sys.copyInside(dir, path, resolve, KEEPING, part), signal);
  try {
    const pieces: Buffer[] = [];
    for (;;) {
      const count = sys.read(copy, scratch);
      if (count > 0) pieces.push(Buffer.from(scratch.subarray(0, count)));
      // A memory file that nobody writes to gives all that was asked for, or ends.
      if (count < scratch.length)
        return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    }
  } finally {
    sys.close(copy);
  }
}

/** A container's own directory of terminals, O_PATH. Off the main thread. Closed by the caller. */
export function openTerminals(sys: InsideSys, root: Fd, signal?: AbortSignal): Promise<Fd> {
  return look(
    sys,
    root,
    "/dev/pts",
    (dir) => sys.openInside(dir, "/dev/pts", O_PATH | O_DIRECTORY, INSIDE, DEVPTS),
    signal,
  );
}

/** The caller may give up and close `root` at any time: what comes after that is closed. */
async function look(
  sys: InsideSys,
  root: Fd,
  path: string,
  open: (dir: Fd) => Promise<Fd>,
  signal: AbortSignal | undefined,
): Promise<Fd> {
  const dir = sys.dup(root);
  const opening = looks.run(path, () => open(dir)).finally(() => sys.close(dir));
  if (signal === undefined) return await opening;
  try {
    return await waitUntil(opening, signal);
  } catch (error) {
    opening.then(sys.close, () => undefined);
    throw error;
  }
}
