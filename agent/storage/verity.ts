import { open } from "node:fs/promises";
import { AgentError } from "../kernel/error.ts";
import type { MappedTarget, Sys } from "../kernel/kernel.ts";

/** Hashes behind a file system on the same disk, as a host tells of them. */
export interface VerityTree {
  /** Hexadecimal; what all that is read is checked by. */
  readonly rootHash: string;
  /** Bytes. */
  readonly hashOffset: number;
  readonly blockSize?: number;
  readonly hashBlockSize?: number;
  /** Hexadecimal. */
  readonly salt?: string;
  /** A superblock stands before the hashes, as veritysetup writes it. */
  readonly superblock: boolean;
}

/** What the target of the device mapper has to be told besides the root hash. */
interface VerityLayout {
  readonly hashType: number;
  readonly algorithm: string;
  readonly blockSize: number;
  readonly hashBlockSize: number;
  readonly blocks: number;
  readonly salt: string;
}

const SUPERBLOCK_SIZE = 512;
const SIGNATURE = "verity\0\0";
/** Weaker ones are not taken: their root hash says little. */
const HASH_BYTES: Readonly<Record<string, number>> = { sha256: 32, sha512: 64 };

/** A device that gives what is on the disk as far as the root hash vouches for it; everything else is an I/O error. */
export async function openVerity(
  sys: Pick<Sys, "mapDevice">,
  name: string,
  disk: string,
  tree: VerityTree,
): Promise<string> {
  const superblock = tree.superblock ? await readSuperblock(disk, tree.hashOffset) : undefined;
  return sys.mapDevice(name, verityTarget(disk, tree, superblock));
}

async function readSuperblock(disk: string, offset: number): Promise<Buffer> {
  const file = await open(disk, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SUPERBLOCK_SIZE), 0, SUPERBLOCK_SIZE, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The table of the target. What a superblock says has to agree with what the host does. */
export function verityTarget(disk: string, tree: VerityTree, superblock?: Buffer): MappedTarget {
  const fail = (why: string) => new AgentError("invalid-argument", `dm-verity of ${disk}: ${why}`);
  const layout = superblock === undefined ? defaultLayout(tree) : parseSuperblock(superblock, fail);
  const { blockSize, hashBlockSize, blocks, algorithm, salt, hashType } = layout;
  for (const [name, said, found] of [
    ["block size", tree.blockSize, blockSize],
    ["hash block size", tree.hashBlockSize, hashBlockSize],
    ["salt", tree.salt, salt],
  ] as const) {
    if (said !== undefined && said !== found)
      throw fail(`its superblock has the ${name} ${found}, the host says ${said}`);
  }
  if (!isBlockSize(blockSize) || !isBlockSize(hashBlockSize))
    throw fail(`blocks of ${blockSize} and ${hashBlockSize} bytes`);
  if (HASH_BYTES[algorithm] === undefined) throw fail(`hashes by ${JSON.stringify(algorithm)}, not sha256 or sha512`);
  if (tree.rootHash.length !== 2 * HASH_BYTES[algorithm]) {
    throw fail(`a root hash of ${tree.rootHash.length / 2} bytes is none of ${algorithm}`);
  }
  if (tree.hashOffset % hashBlockSize !== 0)
    throw fail(`its hashes begin at ${tree.hashOffset}, not at a block's border`);
  if (blocks < 1 || blocks * blockSize > tree.hashOffset) {
    throw fail(`${blocks} blocks of ${blockSize} bytes do not end before the hashes at ${tree.hashOffset}`);
  }
  const before = superblock === undefined ? 0 : Math.ceil(SUPERBLOCK_SIZE / hashBlockSize);
  const start = tree.hashOffset / hashBlockSize + before;
  const where = [hashType, disk, disk, blockSize, hashBlockSize, blocks, start];
  const params = [...where, algorithm, tree.rootHash, salt === "" ? "-" : salt].join(" ");
  return { type: "verity", sectors: (blocks * blockSize) / 512, params };
}

function defaultLayout({ hashOffset, blockSize = 4096, hashBlockSize = 4096, salt = "" }: VerityTree): VerityLayout {
  const blocks = Math.floor(hashOffset / blockSize);
  return { hashType: 1, algorithm: "sha256", blockSize, hashBlockSize, blocks, salt };
}

function parseSuperblock(bytes: Buffer, fail: (why: string) => AgentError): VerityLayout {
  if (bytes.length < SUPERBLOCK_SIZE || bytes.toString("latin1", 0, 8) !== SIGNATURE) {
    throw fail("there is no superblock where the hashes are to begin");
  }
  const [version, hashType] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
  const saltSize = bytes.readUInt16LE(80);
  if (version !== 1 || hashType > 1 || saltSize > 256) throw fail("its superblock is of another version");
  return {
    hashType,
    algorithm: bytes.toString("latin1", 32, 64).replace(/\0.*$/s, ""),
    blockSize: bytes.readUInt32LE(64),
    hashBlockSize: bytes.readUInt32LE(68),
    blocks: Number(bytes.readBigUInt64LE(72)),
    salt: bytes.toString("hex", 88, 88 + saltSize),
  };
}

function isBlockSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65536 && (bytes & (bytes - 1)) === 0;
}
