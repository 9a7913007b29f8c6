import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, truncateSync } from "node:fs";

const BLOCK = 4096;
const SALT = Buffer.from("00112233", "hex");
const PER_BLOCK = BLOCK / 32;

/**
 * Appends dm-verity's superblock and hashes to a file, as `veritysetup format` does. Returns what the host must pass
 * on.
 */
export function addVerity(file: string): {
  readonly rootHash: string;
  readonly hashOffset: number;
  readonly salt: string;
} {
  const content = readFileSync(file);
  const blocks = Math.ceil(content.length / BLOCK);
  const data = Buffer.concat([content, Buffer.alloc(blocks * BLOCK - content.length)]);
  const levels: Buffer[] = [];
  let below: Buffer = data;
  do {
    below = hashes(below);
    levels.unshift(below);
  } while (below.length > BLOCK);
  truncateSync(file, data.length);
  appendFileSync(file, Buffer.concat([superblock(blocks), ...levels]));
  return { rootHash: hash(below).toString("hex"), hashOffset: data.length, salt: SALT.toString("hex") };
}

/** Returns one hash for each block, padded to whole blocks. */
function hashes(data: Buffer): Buffer {
  const count = data.length / BLOCK;
  const level = Buffer.alloc(Math.ceil(count / PER_BLOCK) * BLOCK);
  for (let index = 0; index < count; index++) {
    hash(data.subarray(index * BLOCK, (index + 1) * BLOCK)).copy(level, index * 32);
  }
  return level;
}

function hash(block: Buffer): Buffer {
  return createHash("sha256").update(SALT).update(block).digest();
}

function superblock(blocks: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.write("verity");
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(1, 12);
  bytes.write("sha256", 32);
  bytes.writeUInt32LE(BLOCK, 64);
  bytes.writeUInt32LE(BLOCK, 68);
  bytes.writeBigUInt64LE(BigInt(blocks), 72);
  bytes.writeUInt16LE(SALT.length, 80);
  SALT.copy(bytes, 88);
  return bytes;
}
