import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "./constants.ts";
import type { Fd, FilePart, Sys } from "./kernel.ts";
import { LimitedCalls } from "./wait/limited-calls.ts";
import { waitUntil } from "./wait/wait-until.ts";

/** Resolution below a root that a container can write to: links stay inside it, and magic links of /proc fail. */
const INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

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
/** Read buffer for copies, shared by all reads. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);
const DEVPTS: readonly number[] = [0x00001cd1];

/**
 * Limits access to files that a container may have placed on a server of its own choosing. One call at a time: of libuv's
 * four threads, two are for file systems of the host (limited-calls.ts), and one stays free.
 */
const calls = new LimitedCalls(1);

type InsideSys = Pick<Sys, "openInside" | "copyInside" | "read" | "dup" | "close">;

/**
 * Returns the content of a regular file below `root`, where a container controls content and links. Reads off the main
 * thread and never beyond the limit. Throws SystemError: EFBIG if the file is longer, EINVAL if it isn't a regular file,
 * ENOTSUP if its file system may not be read; AgentError "unavailable" while too many earlier calls hang.
 */
export async function readContained(
  sys: InsideSys,
  root: Fd,
  path: string,
  part: FilePart & { readonly resolve?: number },
  signal?: AbortSignal,
): Promise<Buffer> {
  const { resolve = INSIDE } = part;
  const copy = await openLimited(sys, root, path, (dir) => sys.copyInside(dir, path, resolve, KEEPING, part), signal);
  try {
    const pieces: Buffer[] = [];
    for (;;) {
      const count = sys.read(copy, scratch);
      if (count > 0) pieces.push(Buffer.from(scratch.subarray(0, count)));
      // The copy is sealed: a short read means its end.
      if (count < scratch.length)
        return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    }
  } finally {
    sys.close(copy);
  }
}

/** Opens an entry that a copy begins at, off the main thread. The caller closes the descriptor. */
export function openContained(
  sys: InsideSys,
  root: Fd,
  path: string,
  flags: number,
  signal?: AbortSignal,
): Promise<Fd> {
  return openLimited(sys, root, path, (dir) => sys.openInside(dir, path, flags, INSIDE, KEEPING), signal);
}

/** Opens a container's /dev/pts (O_PATH), off the main thread. The caller closes the descriptor. */
export function openTerminals(sys: InsideSys, root: Fd, signal?: AbortSignal): Promise<Fd> {
  return openLimited(
    sys,
    root,
    "/dev/pts",
    (dir) => sys.openInside(dir, "/dev/pts", O_PATH | O_DIRECTORY, INSIDE, DEVPTS),
    signal,
  );
}

/** Opens any file of a container (O_PATH), off the main thread. The caller closes the descriptor. */
export function openAnyContained(sys: InsideSys, root: Fd, path: string, signal?: AbortSignal): Promise<Fd> {
  return openLimited(sys, root, path, (dir) => sys.openInside(dir, path, O_PATH, INSIDE, []), signal);
}

/**
 * Makes a call off the main thread that reaches a container's file through /proc/self/fd. The caller may close `file` at any
 * time. `path` is named if calls hang.
 */
export function callContained<T>(
  sys: Pick<Sys, "dup" | "close">,
  file: Fd,
  path: string,
  call: (link: string) => Promise<T>,
): Promise<T> {
  const copy = sys.dup(file);
  return calls.run(path, () => call(`/proc/self/fd/${copy}`)).finally(() => sys.close(copy));
}

/** Lets the caller abort and close `root` at any time; a descriptor opened after that is closed. */
async function openLimited(
  sys: InsideSys,
  root: Fd,
  path: string,
  open: (dir: Fd) => Promise<Fd>,
  signal: AbortSignal | undefined,
): Promise<Fd> {
  const dir = sys.dup(root);
  const opening = calls.run(path, () => open(dir)).finally(() => sys.close(dir));
  if (signal === undefined) return await opening;
  try {
    return await waitUntil(opening, signal);
  } catch (error) {
    opening.then(sys.close, () => undefined);
    throw error;
  }
}
