import { expect, test } from "vitest";
import { nameOf } from "./member.ts";
import { TakenFiles } from "./taken-files.ts";
import type { TakenFile, TreeFiles, TreeStat } from "./tree-files.ts";

const stat = { nlink: 1n, blocks: 8n, size: 1n } as TreeStat;
const file = { stat, content: Buffer.from("x") };

/** Reads a directory whose entries are `found`; returns the numbers of entries that were read at once, and which are files. */
async function read(found: readonly (TakenFile | undefined)[]): Promise<{ at: number[]; files: boolean[] }> {
  const at: number[] = [];
  let count = 0;
  const take: TreeFiles["take"] = async (_, name) => {
    if (count++ === 0) queueMicrotask(() => void at.push(count));
    await new Promise((resolve) => setImmediate(resolve));
    count = 0;
    return found[Number(nameOf(name))];
  };
  const names = found.map((_, index) => `${index}`);
  const taken = new TakenFiles({ take } as TreeFiles, 0, names);
  const files: boolean[] = [];
  for (const [index] of names.entries()) files.push((await taken.at(index)) !== undefined);
  return { at, files };
}

test("small files that follow each other are read together, eight at most", async () => {
  const { at, files } = await read(Array.from({ length: 24 }, () => file));
  expect(at).toEqual([1, 2, 8, 8, 5]);
  expect(files.every(Boolean)).toBe(true);
});

test("what was read behind anything else is read again, one by one", async () => {
  const { at, files } = await read([file, file, undefined, file, undefined, undefined]);
  expect(files).toEqual([true, true, false, true, false, false]);
  expect(at).toEqual([1, 2, 1, 2, 1]);
});

test.each<[string, Partial<TreeStat>]>([
  ["several names", { nlink: 2n }],
  ["holes", { blocks: 0n }],
])("a file with %s takes more steps", async (_, more) => {
  expect((await read([{ ...file, stat: { ...stat, ...more } }])).files).toEqual([false]);
});
