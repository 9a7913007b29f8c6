import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256Of } from "../digest.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import type { Tree, TreeEntry, TreeFile } from "../tree/tree.ts";
import { PARTITION_START } from "./disk-image.ts";
import { makeDaxErofs } from "./erofs.ts";

const MIB = 1024 * 1024;

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "guestd-large-"));
});
afterAll(() => rm(directory, { recursive: true }));

const file = (size: number, fill: string, uid = 0): TreeFile => {
  return { type: "file", mode: 0o555, content: Buffer.alloc(size, fill), ...(uid === 0 ? {} : { uid }) };
};

async function made(name: string, tree: Tree): Promise<Buffer> {
  await mkdir(join(directory, name));
  await makeDaxErofs(tree, join(directory, name), join(directory, `${name}.erofs`));
  return readFile(join(directory, `${name}.erofs`));
}

/** Replaces contents with digests, which compare faster. */
const digests = (tree: Tree) =>
  [...tree].sort().map(([path, entry]) => {
    return [path, entry.type === "file" ? { ...entry, content: sha256Of(entry.content) } : entry];
  });

const LARGE = file(16 * MIB + 4097, "large", 33);
const TREE = new Map<string, TreeEntry>([
  ["bin", { type: "directory", mode: 0o755 }],
  ["bin/large", LARGE],
  ["bin/second-name", LARGE],
  ["bin/other", file(17 * MIB, "other")],
  ["bin/small", file(16 * MIB - 1, "small")],
  ["end", file(1, "x")],
]);

test("places large files at multiples of 2 MiB of guest memory, and keeps the whole tree", async () => {
  const image = await made("tree", TREE);
  const { tree, layouts, inodes, size, blockSize } = readErofs(image);
  expect(digests(tree)).toEqual(digests(TREE));
  for (const path of ["bin/large", "bin/other"]) {
    const start = image.readUInt32LE((inodes.get(path)?.at ?? 0) + 16) * blockSize;
    expect((start + PARTITION_START) % (2 * MIB), path).toBe(0);
    expect(layouts.get(path)).toBe("plain");
  }
  expect(inodes.get("bin/second-name")?.node).toBe(inodes.get("bin/large")?.node);
  expect(size).toBe(image.length);
  execFileSync("fsck.erofs", [join(directory, "tree.erofs")]);
});

test("packs a tree without large files as before, and gives equal bytes for equal trees", async () => {
  const small = await made("small", new Map([["a", file(MIB, "a")]]));
  expect(small.length).toBeLessThan(1.1 * MIB);
  expect((await made("again", TREE)).equals(await readFile(join(directory, "tree.erofs")))).toBe(true);
});
