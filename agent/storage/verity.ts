import { open } from "node:fs/promises";
import type { AgentError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import type { MappedTarget, Sys } from "../kernel/kernel.ts";

/** A dm-verity hash tree behind a file system on the same disk, as the host describes it. */
export interface VerityTree {
  /** Hexadecimal. All reads are checked against it. */
  readonly rootHash: string;
  /** Bytes. */
  readonly hashOffset: number;
  readonly blockSize?: number | undefined;
  readonly hashBlockSize?: number | undefined;
  /** Hexadecimal. */
  readonly salt?: string | undefined;
  /** A superblock as written by veritysetup precedes the hashes. */
  readonly superblock: boolean;
}

/** Parameters of the device-mapper target besides the root hash. */
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
/** Supported hash algorithms. Weaker ones are refused, because their root hash proves little. */
const HASH_BYTES: Readonly<Record<string, number>> = { sha256: 32, sha512: 64 };

/** Creates a device that reads verified blocks. A block that doesn't match the root hash is an I/O error. */
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
  await using file = await open(disk, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SUPERBLOCK_SIZE), 0, SUPERBLOCK_SIZE, offset);
  return buffer.subarray(0, bytesRead);
}

/** Returns the device-mapper table. The superblock must agree with the host's values. */
export function verityTarget(disk: string, tree: VerityTree, superblock?: Buffer): MappedTarget {
  const fail = (why: string) => invalidArgument(`dm-verity of ${disk}: ${why}`);
  const layout = superblock === undefined ? defaultLayout(tree) : parseSuperblock(superblock, fail);
  const { blockSize, hashBlockSize, blocks, algorithm, salt, hashType } = layout;
  for (const [name, said, found] of [
    ["block size", tree.blockSize, blockSize],
    ["hash block size", tree.hashBlockSize, hashBlockSize],
    ["salt", tree.salt, salt],
  ] as const) {
    if (said !== undefined && said !== found)
      throw fail(`its superblock has ${name} ${found}, the host requested ${said}`);
  }
  if (!isBlockSize(blockSize) || !isBlockSize(hashBlockSize))
    throw fail(`unsupported block sizes ${blockSize} and ${hashBlockSize}`);
  if (HASH_BYTES[algorithm] === undefined)
    throw fail(`hash algorithm ${quoted(algorithm)} is not supported, use sha256 or sha512`);
  if (tree.rootHash.length !== 2 * HASH_BYTES[algorithm]) {
    throw fail(`its root hash has ${tree.rootHash.length / 2} bytes, ${algorithm} needs ${HASH_BYTES[algorithm]}`);
  }
  if (tree.hashOffset % hashBlockSize !== 0)
    throw fail(`hash offset ${tree.hashOffset} is not a multiple of the hash block size`);
  if (blocks < 1 || blocks * blockSize > tree.hashOffset) {
    throw fail(`${blocks} blocks of ${blockSize} bytes overlap the hashes at ${tree.hashOffset}`);
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
    throw fail("there is no superblock at the hash offset");
  }
  const [version, hashType] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
  const saltSize = bytes.readUInt16LE(80);
  if (version !== 1 || hashType > 1 || saltSize > 256) throw fail("its superblock has an unsupported version");
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
