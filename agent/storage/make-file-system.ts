import { open } from "node:fs/promises";
import { AgentError } from "../kernel/error.ts";
import { runProgram } from "../kernel/run-program.ts";

const MKFS = "/usr/sbin/mkfs.ext4";
/** What tells a file system that was made here from one that somebody has data on. */
const LABEL = "guestd";
/** File systems, partition tables and volume managers all have their heads in it. */
const HEAD = 128 << 10;
const SUPERBLOCK = 1024;
const EXT4_MAGIC = 0xef53;
const MKFS_LIMIT_MS = 120_000;

/**
 * An ext4 on an empty disk. One that was made here before stays as it is, with what is on it; a disk with anything else at
 * its beginning is refused and not touched.
 */
export async function makeFileSystem(disk: string, uuid?: string, program = MKFS): Promise<void> {
  const head = await readHead(disk);
  if (head.every((byte) => byte === 0)) {
    // No journal: what is on a disk that came empty goes with the pod.
    const id = uuid === undefined ? [] : ["-U", uuid];
    const options = ["-q", "-F", "-L", LABEL, "-m", "0", "-O", "^has_journal", ...id, disk];
    await runProgram(program, options, { limitMs: MKFS_LIMIT_MS });
  } else if (!isOurs(head)) {
    const why = "it is not empty, and what is on it is not wiped";
    throw new AgentError("failed-precondition", `make file system on ${disk}: ${why}`);
  }
}

async function readHead(disk: string): Promise<Buffer> {
  const file = await open(disk, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function isOurs(head: Buffer): boolean {
  const superblock = head.subarray(SUPERBLOCK, SUPERBLOCK + 1024);
  if (superblock.length < 1024 || superblock.readUInt16LE(56) !== EXT4_MAGIC) return false;
  return superblock.toString("latin1", 120, 136).replace(/\0.*$/s, "") === LABEL;
}
