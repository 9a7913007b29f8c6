import { open } from "node:fs/promises";
import { AgentError } from "../kernel/error.ts";
import { runProgram } from "../kernel/run-program.ts";

const MKFS = "/usr/sbin/mkfs.ext4";
/** Label that marks file systems created here, to tell them from the user's. */
const LABEL = "guestd";
/** File systems, partition tables and volume managers all store their headers within it. */
const HEAD = 128 << 10;
const SUPERBLOCK = 1024;
const EXT4_MAGIC = 0xef53;
const MKFS_LIMIT_MS = 120_000;

export interface FileSystemOptions {
  readonly uuid?: string | undefined;
  /**
   * True for a new sparse file that outlives its guest: it gets a journal, since guests may be killed, and no zeros are
   * written, which would fill its holes.
   */
  readonly isKept?: boolean;
}

/**
 * Creates an ext4 on an empty disk. Keeps one that was created here before, with its files. Refuses a disk with any
 * other data at its beginning, without touching it.
 */
export async function makeFileSystem(
  disk: string,
  { uuid, isKept = false }: FileSystemOptions = {},
  program = MKFS,
): Promise<void> {
  const head = await readHead(disk);
  if (head.every((byte) => byte === 0)) {
    const id = uuid === undefined ? [] : ["-U", uuid];
    // No journal by default: the contents of an initially empty disk are dropped with the pod.
    const kind = isKept ? ["-E", "assume_storage_prezeroed=1,nodiscard"] : ["-O", "^has_journal"];
    const options = ["-q", "-F", "-L", LABEL, "-m", "0", ...kind, ...id, disk];
    await runProgram(program, options, { limitMs: MKFS_LIMIT_MS });
  } else if (!isOurs(head)) {
    const why = "the disk is not empty and won't be overwritten";
    throw new AgentError("failed-precondition", `make file system on ${disk}: ${why}`);
  }
}

async function readHead(disk: string): Promise<Buffer> {
  await using file = await open(disk, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
  return buffer.subarray(0, bytesRead);
}

function isOurs(head: Buffer): boolean {
  const superblock = head.subarray(SUPERBLOCK, SUPERBLOCK + 1024);
  if (superblock.length < 1024 || superblock.readUInt16LE(56) !== EXT4_MAGIC) return false;
  return superblock.toString("latin1", 120, 136).replace(/\0.*$/s, "") === LABEL;
}
