import { createHash } from "node:crypto";
import { BuildError } from "../build-error.ts";
import { reading, shown } from "./check.ts";

const SIGNATURE = "verity\0\0";

/** Parameters of a SHA-256 tree; sizes are in bytes. */
export interface VerityParameters {
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
  readonly dataBlocks: number;
  readonly salt: Buffer;
}

interface VeritySuperblock extends VerityParameters {
  readonly version: number;
  readonly hashType: number;
  readonly algorithm: string;
}

export function isVerity(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0, SIGNATURE.length) === SIGNATURE;
}

/** Reads the header that veritysetup writes before a hash tree. */
export function veritySuperblock(bytes: Buffer): VeritySuperblock {
  return reading("verity", () => {
    const superblock = {
      version: bytes.readUInt32LE(8),
      hashType: bytes.readUInt32LE(12),
      algorithm: bytes.toString("latin1", 32, 64).replace(/\0.*$/s, ""),
      dataBlockSize: bytes.readUInt32LE(64),
      hashBlockSize: bytes.readUInt32LE(68),
      dataBlocks: Number(bytes.readBigUInt64LE(72)),
      salt: bytes.subarray(88, 88 + Math.min(256, bytes.readUInt16LE(80))),
    };
    const { version, hashType, algorithm, dataBlockSize, hashBlockSize } = superblock;
    const sizes = [dataBlockSize, hashBlockSize];
    if (version !== 1 || hashType !== 1 || algorithm !== "sha256" || sizes.some((size) => !isBlockSize(size))) {
      const what = `version ${version}, type ${hashType}, ${algorithm || "no algorithm"}, blocks of ${sizes.join(" and ")}`;
      throw new BuildError(`verity: ${shown(what)}: only version 1, type 1, sha256 is supported`);
    }
    return superblock;
  });
}

/** Computes the root hash of the data and compares the tree with the start of `hashes`. */
export function verityRoot(
  { dataBlockSize, hashBlockSize, dataBlocks, salt }: VerityParameters,
  hashes: Buffer,
  data: Buffer,
): { readonly rootHash: string; readonly treeMatches: boolean } {
  if (![dataBlockSize, hashBlockSize].every(isBlockSize)) throw new BuildError("verity: invalid block size");
  if (!(dataBlocks > 0 && dataBlocks * dataBlockSize <= data.length)) {
    throw new BuildError(`verity: needs ${dataBlocks} blocks of ${dataBlockSize}, the data has ${data.length} bytes`);
  }
  const levels: Buffer[] = [];
  let level = digests(data.subarray(0, dataBlocks * dataBlockSize), dataBlockSize, salt);
  while (level.length > 32) {
    const blocks = Buffer.alloc(Math.ceil(level.length / hashBlockSize) * hashBlockSize);
    level.copy(blocks);
    levels.unshift(blocks);
    level = digests(blocks, hashBlockSize, salt);
  }
  if (levels.length === 0) return { rootHash: level.toString("hex"), treeMatches: true };
  const tree = Buffer.concat(levels);
  const found = hashes.subarray(0, tree.length);
  return { rootHash: level.toString("hex"), treeMatches: tree.equals(found) };
}

function digests(bytes: Buffer, blockSize: number, salt: Buffer): Buffer {
  const hashes: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += blockSize) {
    hashes.push(
      createHash("sha256")
        .update(salt)
        .update(bytes.subarray(at, at + blockSize))
        .digest(),
    );
  }
  return Buffer.concat(hashes);
}

function isBlockSize(size: number): boolean {
  return size >= 512 && size <= 65_536 && Number.isInteger(Math.log2(size));
}
