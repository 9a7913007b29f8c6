import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { SystemError } from "./error.ts";

/** Small files of the guest itself: /proc, /sys, cgroups, /run. Never a path inside a container's rootfs. */
export interface Files {
  /** Throws Node's own error (code ENOENT …). */
  readText(path: string): string;
  /** Text that a container decides the length of; undefined for a longer one than `limit` bytes. Off the main thread. */
  readAtMost(path: string, limit: number): Promise<string | undefined>;
  /** One write(2) to an existing file, as cgroup and sysctl files want it. */
  writeText(path: string, text: string): void;
  /**
   * Replaces the file whole: a temporary name beside it, then rename. A SystemError names the file; nothing is left then. The
   * agent's user alone may read it, unless `mode` says more.
   */
  replace(path: string, text: string, mode?: number): void;
  exists(path: string): boolean;
  /** /proc/self/mounts; the agent's is as old as this turn of the event loop (watched-mounts.ts). */
  mounts(): string;
  list(path: string): string[];
  /** With those above that are missing; one that is there is fine. */
  makeDirectory(path: string, mode?: number): void;
  removeDirectory(path: string): void;
  /** rm -rf; a missing path is fine. Does not cross into mounts on purpose: a busy directory throws. */
  removeTree(path: string): void;
  /** Sizes in bytes, counts of inodes. Off the main thread. */
  statfs(path: string): Promise<{
    total: number;
    free: number;
    available: number;
    files: number;
    filesFree: number;
  }>;
}

export const realFiles: Files = {
  readText: (path) => readFileSync(path, "utf8"),
  async readAtMost(path, limit) {
    const handle = await open(path);
    try {
      const bytes = Buffer.allocUnsafe(limit + 1);
      let length = 0;
      for (let got = 1; got > 0 && length <= limit; length += got) {
        got = (await handle.read(bytes, length, bytes.length - length)).bytesRead;
      }
      return length > limit ? undefined : bytes.toString("utf8", 0, length);
    } finally {
      await handle.close();
    }
  },
  writeText: (path, text) => writeFileSync(path, text, { flag: "r+" }),
  replace(path, text, mode = 0o600) {
    const temporary = `${path}.tmp`;
    try {
      writeFileSync(temporary, text, { mode });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      // Node's own names no file when it is the write that fails.
      const { errno } = error as NodeJS.ErrnoException;
      throw errno === undefined ? error : new SystemError("write", -errno, path);
    }
  },
  exists: existsSync,
  mounts: () => readFileSync("/proc/self/mounts", "utf8"),
  list: (path) => readdirSync(path),
  makeDirectory,
  removeDirectory: (path) => rmdirSync(path),
  removeTree: (path) => rmSync(path, { recursive: true, force: true }),
  async statfs(path) {
    const s = await statfs(path);
    return {
      total: s.blocks * s.bsize,
      free: s.bfree * s.bsize,
      available: s.bavail * s.bsize,
      files: s.files,
      filesFree: s.ffree,
    };
  },
};

function makeDirectory(path: string, mode = 0o755): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Node says so whatever it is that keeps it from making a directory above: EROFS on a share.
    const above = dirname(path);
    if (above !== path && !existsSync(above)) makeDirectory(above, mode);
    mkdirSync(path, { mode });
  }
}
