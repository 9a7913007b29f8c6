import { constants } from "node:fs";
import { open, readFile, stat, statfs, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Sys } from "../kernel/kernel.ts";
import { mountedOn } from "./mounts.ts";

const SECTOR = 512;
/** A driver learns of a device's new size a moment after the host has set it. */
const NEWS_MS = 1000;
const PAUSE_MS = 20;

interface Resizer {
  readonly sys: Pick<Sys, "growFileSystem">;
  readonly files: Pick<Files, "readText">;
}

/**
 * Grows a mounted ext4 or xfs to `bytes`, which its device must already have; 0 means the whole device. The kernel
 * grows it while mounted, so the image needs no tools. Does nothing if the file system already has that size. The path is
 * a mount point's, which the kernel keeps in memory: no call takes the lock of a directory that a container can hold.
 */
export async function resizeVolume({ sys, files }: Resizer, path: string, bytes: number): Promise<void> {
  const fail = (why: string, kind: "internal" | "invalid-argument" | "unimplemented" = "internal") =>
    new AgentError(kind, `resize volume ${path}: ${why}`);
  guestPath("volume path", path);
  if (!Number.isSafeInteger(bytes)) throw fail(`size ${bytes} is out of range`, "invalid-argument");
  const mount = mountedOn(files, path);
  if (mount === undefined) throw fail("it is not a mount point", "invalid-argument");
  const { type } = mount;
  if (type !== "ext4" && type !== "xfs") throw fail(`${type} is not supported, use ext4 or xfs`, "unimplemented");
  const device = await deviceBytes(path, bytes);
  if (bytes > device) throw fail(`${mount.source} has ${device} bytes, fewer than the requested ${bytes}`);
  const { bsize, blocks } = await statfs(path);
  const wanted = Math.floor((bytes === 0 ? device : bytes) / bsize);
  // statfs omits the file system's own blocks, so an equal size looks like growth. The kernel decides.
  if (wanted < blocks) throw fail(`it has ${blocks * bsize} bytes and can't shrink`, "invalid-argument");
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await sys.growFileSystem(handle.fd, type, wanted);
}

/** Returns the size of a file system's block device, once it is `wanted` or hasn't changed for a while. */
async function deviceBytes(path: string, wanted: number): Promise<number> {
  const { dev } = await stat(path);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const device = `/sys/dev/block/${major}:${minor}`;
  await writeFile(`${device}/device/rescan`, "1").catch(() => undefined); // SCSI must be told to rescan
  for (let waited = 0; ; waited += PAUSE_MS) {
    const bytes = Number(await readFile(`${device}/size`, "utf8")) * SECTOR;
    if (bytes >= wanted || waited >= NEWS_MS) return bytes;
    await sleep(PAUSE_MS);
  }
}
