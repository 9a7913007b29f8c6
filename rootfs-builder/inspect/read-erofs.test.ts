import { expect, test } from "vitest";
import { readErofs } from "./read-erofs.ts";

const BLOCK = 4096;
const [DIRECTORY, FILE] = [0o040_755, 0o100_644];
const [PLAIN, INLINE] = [0, 2];

interface Made {
  readonly node: number;
  readonly mode?: number;
  readonly layout?: number;
  readonly size?: number;
  /** Where its data is, as a block. */
  readonly block?: number;
  readonly attributes?: number;
}

/** A file system whose inodes begin with block 1; number 0 is the root directory. */
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

/** A block of a directory. */
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

const root = (count: number, first: number, step: number): Buffer =>
  names(Array.from({ length: count }, (_, index) => [`f${index}`, first + index * step] as const));

test("what is made here is read", () => {
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

test("refuses paths that no kernel takes, however deep", () => {
  const depth = 2000;
  const inodes = Array.from({ length: depth }, (_, node) => {
    return { node, mode: DIRECTORY, size: 20, block: 32 + node };
  });
  const bytes = erofs(32 + depth, inodes, (all) => {
    for (const { node, block } of inodes) names([["d", node + 1]]).copy(all, block * BLOCK, 0, 20);
  });
  expect(() => readErofs(bytes)).toThrow(/^EROFS: \/d\/d[d/]*: its path has more than 3072 bytes$/);
});

test("refuses names that are longer than any, or none", () => {
  const one = (name: string) =>
    erofs(4, [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 2 }, { node: 9 }], (all) =>
      names([[name, 9]]).copy(all, 2 * BLOCK),
    );
  expect(readErofs(one("x".repeat(255))).tree.size).toBe(1);
  expect(() => readErofs(one("x".repeat(256)))).toThrow("EROFS: a name of more than 255 bytes");
  expect(() => readErofs(one("a/b"))).toThrow('EROFS: an entry is named "a/b"');
  expect(() => readErofs(one(""))).toThrow('EROFS: an entry is named ""');
  const empty = erofs(4, [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 2 }]);
  expect(() => readErofs(empty)).toThrow("EROFS: a directory's block without records");
});

test("refuses files that share their bytes, which a small image could have for ever", () => {
  for (const layout of [PLAIN, INLINE]) {
    const inodes = Array.from({ length: 200 }, (_, index) => {
      return { node: 1 + index * 2, layout, size: 512 * BLOCK + (layout === INLINE ? 8 : 0), block: 16 };
    });
    const all = [{ node: 0, mode: DIRECTORY, size: BLOCK, block: 15 }, ...inodes];
    const bytes = erofs(600, all, (to) => root(200, 1, 2).copy(to, 15 * BLOCK));
    expect(() => readErofs(bytes)).toThrow("EROFS: its files have more bytes than it has");
  }
});

test("refuses a tail that goes over its block, and directories that go on for ever", () => {
  const inline = (size: number) =>
    erofs(
      4,
      [
        { node: 0, mode: DIRECTORY, size: BLOCK, block: 2 },
        { node: 9, layout: INLINE, size },
      ],
      (all) => names([["a", 9]]).copy(all, 2 * BLOCK),
    );
  const room = BLOCK - 10 * 32;
  expect(readErofs(inline(room)).tree.size).toBe(1);
  expect(() => readErofs(inline(room + 1))).toThrow(/^EROFS: the tail of an inode at \d+ goes over its block$/);
  const large = erofs(17_000, [{ node: 0, mode: DIRECTORY, size: 16_900 * BLOCK, block: 2 }]);
  expect(() => readErofs(large)).toThrow("EROFS: its directories have more than 67108864 bytes");
});

/** One file with attributes of these names, in `user`. */
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

test("refuses attributes of one name, of none, and more of them than a kernel lists", () => {
  expect(readErofs(attributed(keys(100))).tree.get("a")?.xattrs?.size).toBe(100);
  expect(() => readErofs(attributed(["same", "same"]))).toThrow("EROFS: two attributes user.same of one file");
  expect(() => readErofs(attributed([""]))).toThrow("EROFS: an attribute user. of odd name");
  expect(() => readErofs(attributed(keys(5000)))).toThrow("EROFS: attributes with names of more than 65536 bytes");
});

test("refuses many files that have the same many attributes", () => {
  const [files, shared, step] = [1600, 255, 64];
  const inodes = Array.from({ length: files }, (_, index) => ({ node: (index + 1) * step, attributes: 1 + shared }));
  const [list, values] = [1000, 1100];
  const listed = inodes.map(({ node }, index) => [`f${index}`, node] as const);
  const blocks = Math.ceil(files / 200);
  const bytes = erofs(1200, [{ node: 0, mode: DIRECTORY, size: blocks * BLOCK, block: list }, ...inodes], (all) => {
    for (let at = 0; at < blocks; at++) names(listed.slice(at * 200, (at + 1) * 200)).copy(all, (list + at) * BLOCK);
    const records = keys(shared).map((key) => record(key));
    Buffer.concat(records).copy(all, values * BLOCK);
    all.writeUInt32LE(values, 1024 + 44);
    for (const { node } of inodes) {
      const at = BLOCK + (node + 1) * 32;
      all.writeUInt8(shared, at + 4);
      for (let index = 0; index < shared; index++) all.writeUInt32LE((index * 24) / 4, at + 12 + index * 4);
    }
  });
  expect(() => readErofs(bytes)).toThrow("EROFS: more than 400000 attributes");
});
