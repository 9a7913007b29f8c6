import {
  close,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  read,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfs,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { SystemError } from "./error.ts";

/** Small files of the guest itself: /proc, /sys, cgroups, /run. Never for a path inside a container's rootfs. */
export interface Files {
  /** Throws Node's own error (code ENOENT …). */
  readText(path: string): string;
  /** Reads text whose length a container controls, off the main thread; undefined if it is longer than `limit` bytes. */
  readAtMost(path: string, limit: number): Promise<string | undefined>;
  /** Writes to an existing file in one write(2), as cgroup and sysctl files require. */
  writeText(path: string, text: string): void;
  /**
   * Replaces a file atomically: writes a temporary file beside it, then renames it. On failure throws a SystemError that names
   * the file, and leaves no temporary file. Readable by the agent's user only, unless `mode` allows more.
   */
  replace(path: string, text: string, mode?: number): void;
  /** Replaces the content of an existing file, which keeps its inode: bind mounts of the file show the new content. */
  rewrite(path: string, text: string): void;
  exists(path: string): boolean;
  /** Returns /proc/self/mounts; the agent caches it until the kernel reports a change (watched-mounts.ts). */
  mounts(): string;
  list(path: string): string[];
  /** Creates a directory with any missing parents; succeeds if it exists. */
  makeDirectory(path: string, mode?: number): void;
  removeDirectory(path: string): void;
  /** Removes like rm -rf; a missing path is fine. Throws at a busy directory: mounts below it are left alone. */
  removeTree(path: string): void;
  /** Returns sizes in bytes and counts of inodes. Off the main thread. */
  statfs(path: string): Promise<{
    total: number;
    free: number;
    available: number;
    files: number;
    filesFree: number;
  }>;
}

// fs/promises would load readline and all of Node's streams.
const opened = promisify(open);
const readInto = promisify(read);
const closed = promisify(close);
const statfsOf = promisify(statfs);

export const realFiles: Files = {
  readText: (path) => readFileSync(path, "utf8"),
  async readAtMost(path, limit) {
    const fd = await opened(path, "r");
    try {
      const bytes = Buffer.allocUnsafe(limit + 1);
      let length = 0;
      for (let got = 1; got > 0 && length <= limit; length += got) {
        got = (await readInto(fd, bytes, length, bytes.length - length, null)).bytesRead;
      }
      return length > limit ? undefined : bytes.toString("utf8", 0, length);
    } finally {
      // A server of files may answer the close with an error, which nothing would catch without a callback.
      await closed(fd);
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
      // If the write fails, Node's error names no file.
      const { errno } = error as NodeJS.ErrnoException;
      throw errno === undefined ? error : new SystemError("write", -errno, path);
    }
  },
  rewrite(path, text) {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, done);
      ftruncateSync(fd, bytes.length);
    } finally {
      closeSync(fd);
    }
  },
  exists: existsSync,
  mounts: () => readFileSync("/proc/self/mounts", "utf8"),
  list: (path) => readdirSync(path),
  makeDirectory,
  removeDirectory: (path) => rmdirSync(path),
  removeTree: (path) => rmSync(path, { recursive: true, force: true }),
  async statfs(path) {
    const s = await statfsOf(path);
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
    // Node reports ENOENT whatever prevented it from creating a parent, such as EROFS on a share.
    const above = dirname(path);
    if (above !== path && !existsSync(above)) makeDirectory(above, mode);
    mkdirSync(path, { mode });
  }
}
