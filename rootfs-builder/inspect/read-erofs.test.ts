import { expect, test } from "vitest";
import { readErofs } from "./read-erofs.ts";

const BLOCK = 4096;
const [DIRECTORY, FILE] = [0o040_755, 0o100_644];
const PLAIN = 0;

interface Made {
  readonly node: number;
  readonly mode?: number;
  readonly layout?: number;
  readonly size?: number;
  /** Block in which its data starts. */
  readonly block?: number;
  readonly attributes?: number;
}

/** Returns a file system whose inodes start in block 1; inode 0 is the root directory. */
function erofs(blocks: number, inodes: readonly Made[], fill: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(blocks * BLOCK);
  bytes.writeUInt32LE(0xe0f5e1e2, 1024);
  bytes.writeUInt8(12, 1036);
  bytes.writeUInt32LE(blocks, 1060);
  bytes.writeUInt32LE(1, 1064);
  for (const { node, mode = FILE, layout = PLAIN, size = 0, block = 0, attributes = 0 } of inodes) {
    const at = BLOCK + node * 32;
    bytes.writeUInt16LE(layout << 1, at);
    bytes.writeUInt16LE(attributes, at + 2);
    bytes.writeUInt16LE(mode, at + 4);
    bytes.writeUInt32LE(size, at + 8);
    bytes.writeUInt32LE(block, at + 16);
  }
  fill(bytes);
  return bytes;
}

/** Returns a directory block. */
function names(entries: readonly (readonly [name: string, node: number])[]): Buffer {
  const block = Buffer.alloc(BLOCK);
  let at = entries.length * 12;
  for (const [index, [name, node]] of entries.entries()) {
    block.writeBigUInt64LE(BigInt(node), index * 12);
    block.writeUInt16LE(at, index * 12 + 8);
    at += block.write(name, at);
  }
  return block;
}

test("reads a file system made for these tests", () => {
  const bytes = erofs(
    4,
    [
      { node: 0, mode: DIRECTORY, size: BLOCK, block: 2 },
      { node: 9, size: 5, block: 3 },
    ],
    (all) => {
      names([["a", 9]]).copy(all, 2 * BLOCK);
      all.write("text!", 3 * BLOCK);
    },
  );
  const entry = { type: "file", mode: 0o644, content: Buffer.from("text!") };
  expect(readErofs(bytes).tree).toEqual(new Map([["a", entry]]));
});

test("refuses paths longer than the kernel accepts, at any depth", () => {
  const depth = 2000;
  const inodes = Array.from({ length: depth }, (_, node) => {
    return { node, mode: DIRECTORY, size: 20, block: 32 + node };
  });
  const bytes = erofs(32 + depth, inodes, (all) => {
    for (const { node, block } of inodes) names([["d", node + 1]]).copy(all, block * BLOCK, 0, 20);
  });
  expect(() => readErofs(bytes)).toThrow(/^EROFS: \/d\/d[d/]*: its path has more than 3072 bytes$/);
});

test("refuses names that are too long or empty", () => {
  const one = (name: string) =>
    erofs(4, [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 2 }, { node: 9 }], (all) =>
      names([[name, 9]]).copy(all, 2 * BLOCK),
    );
  expect(readErofs(one("x".repeat(255))).tree.size).toBe(1);
  expect(() => readErofs(one("x".repeat(256)))).toThrow("a name in it has 256 bytes, more than 255");
  expect(() => readErofs(one("a/b"))).toThrow('EROFS: an entry is named "a/b"');
  expect(() => readErofs(one(""))).toThrow('EROFS: an entry is named ""');
  const empty = erofs(4, [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 2 }]);
  expect(() => readErofs(empty)).toThrow("EROFS: a directory block has no records");
});

/** Returns a file system with one file that has these attributes in `user`. */
function attributed(keys: readonly string[]): Buffer {
  const records = Buffer.concat(keys.map((key) => record(key)));
  const file = { node: 2, attributes: 1 + records.length / 4 };
  return erofs(200, [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 199 }, file], (all) => {
    names([["a", 2]]).copy(all, 199 * BLOCK);
    records.copy(all, BLOCK + 3 * 32 + 12);
  });
}

function record(key: string): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(key.length / 4) * 4);
  bytes.writeUInt8(key.length, 0);
  bytes.writeUInt8(1, 1);
  bytes.write(key, 4);
  return bytes;
}

const keys = (count: number) => Array.from({ length: count }, (_, index) => String(index).padStart(20, "0"));

test("reads many attributes of one file, refuses two of the same name and one without a name", () => {
  expect(readErofs(attributed(keys(100))).tree.get("a")?.xattrs?.size).toBe(100);
  expect(() => readErofs(attributed(["same", "same"]))).toThrow("EROFS: two attributes user.same of one file");
  expect(() => readErofs(attributed([""]))).toThrow("EROFS: an attribute user. with an invalid name");
});
