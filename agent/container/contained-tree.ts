import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { localFiles, type NativeCalls } from "../../lib/archive/local-files.ts";
import type { TreeFiles } from "../../lib/archive/tree-files.ts";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_XDEV } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd } from "../kernel/kernel.ts";
import { treeCalls } from "../kernel/sys/tree-calls.ts";

const EXDEV = 18;
const O_NOFOLLOW = 0o400000;
/** Most bytes of a mount table, whose length a container controls. */
const MAX_TABLE = 1024 * 1024;

/**
 * File systems that a copy enters: those that the kernel or the host serves and that store what was written to them. A
 * container's own server (FUSE, NFS) could stop answering and block the agent; others generate content on each read.
 */
const ENTERED = new Set(
  "btrfs erofs ext2 ext3 ext4 f2fs iso9660 overlay ramfs rootfs squashfs tmpfs vfat virtiofs xfs".split(" "),
);

/** Calls for the tree of a process's root; `pid` may be "self". */
export function containedTree(pid: number | "self"): NativeCalls & TreeFiles & { checkMount(fd: Fd): void } {
  const calls = treeCalls();
  const checkMount = (fd: Fd) => {
    const type = mountType(pid, fd);
    if (type === undefined || !ENTERED.has(type)) {
      throw new SystemError("open", EXDEV, "", `copies don't enter file systems of type ${type ?? "unknown"}`);
    }
  };
  return localFiles({
    ...calls,
    checkMount,
    openEntry(dir: Fd, name: Uint8Array, flags: number) {
      try {
        return calls.openName(dir, name, flags, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EXDEV") throw error;
      }
      // Opening the root of a mount with O_PATH asks no server.
      const mounted = calls.openName(dir, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH);
      try {
        checkMount(mounted);
        return openSync(`/proc/self/fd/${mounted}`, flags & ~O_NOFOLLOW);
      } finally {
        closeSync(mounted);
      }
    },
  });
}

/** Returns the type of the file system that a descriptor belongs to, without asking the file system. */
function mountType(pid: number | "self", fd: Fd): string | undefined {
  const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
  if (id === undefined) return undefined;
  const line = readTable(`/proc/${pid}/mountinfo`)
    .split("\n")
    .find((each) => each.startsWith(`${id} `));
  return line?.split(" - ")[1]?.split(" ")[0];
}

function readTable(path: string): string {
  const table = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(MAX_TABLE);
    let length = 0;
    for (let got = 1; got > 0 && length < MAX_TABLE; length += got)
      got = readSync(table, bytes, length, MAX_TABLE - length, null);
    return bytes.toString("latin1", 0, length);
  } finally {
    closeSync(table);
  }
}
