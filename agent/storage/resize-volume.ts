import { constants } from "node:fs";
import { open, readFile, stat, statfs, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Sys } from "../kernel/kernel.ts";
import { mountedOn } from "./mounts.ts";

const SECTOR = 512;
/** The driver hears of a device's new size a moment after the host has set it. */
const NEWS_MS = 1000;
const PAUSE_MS = 20;

interface Resizer {
  readonly sys: Pick<Sys, "growFileSystem">;
  readonly files: Pick<Files, "readText">;
}

/**
 * Grows a mounted ext4 or xfs to `bytes`, which its device must have already; 0: to all that the device has. While it is
 * in use, by the kernel itself: the image needs no tools. A file system that is as large already stays as it is.
 */
export async function resizeVolume({ sys, files }: Resizer, path: string, bytes: number): Promise<void> {
  const fail = (why: string, kind: "internal" | "invalid-argument" | "unimplemented" = "internal") =>
    new AgentError(kind, `resize volume ${path}: ${why}`);
  guestPath("volume path", path);
  if (!Number.isSafeInteger(bytes)) throw fail(`a size of ${bytes} can't be`, "invalid-argument");
  const mount = mountedOn(files, path);
  if (mount === undefined) throw fail("nothing is mounted there", "invalid-argument");
  const { type } = mount;
  if (type !== "ext4" && type !== "xfs") throw fail(`${type} can't be resized, only ext4 and xfs can`, "unimplemented");
  const device = await deviceBytes(path, bytes);
  if (bytes > device) throw fail(`${mount.source} has ${device} bytes, not the ${bytes} that are asked for`);
  const { bsize, blocks } = await statfs(path);
  const wanted = Math.floor((bytes === 0 ? device : bytes) / bsize);
  // Statistics leave out what the file system has for itself, so an equal size looks like growth; the kernel knows better.
  if (wanted < blocks) throw fail(`it has ${blocks * bsize} bytes, and can't be made smaller`, "invalid-argument");
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await sys.growFileSystem(handle.fd, type, wanted);
  } finally {
    await handle.close();
  }
}

/** Of the block device that a file system is on, once it has `wanted` or no news has come for a while. */
async function deviceBytes(path: string, wanted: number): Promise<number> {
  const { dev } = await stat(path);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const device = `/sys/dev/block/${major}:${minor}`;
  await writeFile(`${device}/device/rescan`, "1").catch(() => undefined); // SCSI has to be asked
  for (let waited = 0; ; waited += PAUSE_MS) {
    const bytes = Number(await readFile(`${device}/size`, "utf8")) * SECTOR;
    if (bytes >= wanted || waited >= NEWS_MS) return bytes;
    await sleep(PAUSE_MS);
  }
}
