import { describe, expect, test } from "vitest";
import { randomBytesOf, randomFrom } from "../seeded-random.ts";
import { ByteBudget } from "./byte-budget.ts";
import { DirectoryNames } from "./directory-names.ts";

const yieldNow = () => undefined;

/** Lists names, some at a time, and counts those that were read. */
function listing(count: number, name: (index: number) => Uint8Array, some = 256) {
  const read = { names: 0 };
  const chunks = (async function* () {
    for (; read.names < count; ) {
      const length = Math.min(some, count - read.names);
      const first = read.names;
      read.names += length;
      yield Array.from({ length }, (_, at) => name(first + at));
    }
  })();
  return { chunks, read };
}

test.each([0, 1, 4096, 4097, 30_000])("sorts %i names by their bytes", async (count) => {
  const random = randomFrom(count);
  const given = Array.from({ length: count }, () => Buffer.from(randomBytesOf(random, 1 + Math.floor(random() * 12))));
  const { chunks } = listing(count, (index) => given[index] ?? Buffer.of());
  using names = await DirectoryNames.read(chunks, new ByteBudget(), yieldNow);
  const expected = [...given].sort(Buffer.compare).map((name) => name.toString("latin1"));
  expect(names.sorted).toEqual(expected);
});

test("pauses while it reads and sorts many", async () => {
  const { chunks } = listing(40_000, (index) => Buffer.from(`${index}`));
  let pauses = 0;
  const pause = () => void pauses++;
  using names = await DirectoryNames.read(chunks, new ByteBudget(), pause as () => undefined);
  expect(names.sorted).toHaveLength(40_000);
  // After each 4096 names that are read, or merged in one of the passes.
  expect(pauses).toBeGreaterThanOrEqual(Math.floor(40_000 / 4096) * 2);
});

test("leaves out files that aren't complete", async () => {
  const given = [".guestd-copy-12345678-ab", ".guestd", "a"];
  const { chunks } = listing(given.length, (index) => Buffer.from(given[index] ?? ""));
  using names = await DirectoryNames.read(chunks, new ByteBudget(), yieldNow);
  expect(names.sorted).toEqual([".guestd", "a"]);
});

describe("a budget", () => {
  const long = (index: number) => Buffer.from(`${index}`.padStart(250, "n"));

  test("ends a listing of long names before they take more, and gets all of it back", async () => {
    const budget = new ByteBudget(1 << 20);
    const { chunks, read } = listing(250_000, long);
    await expect(DirectoryNames.read(chunks, budget, yieldNow)).rejects.toMatchObject({
      kind: "resource-exhausted",
      message: expect.stringMatching(/^more names in directories than there is memory for; [^\n]+$/),
    });
    expect(read.names * 250).toBeLessThanOrEqual((1 << 20) + 256 * 250);
    expect([budget.take(1 << 20), budget.take(1)]).toEqual([true, false]);
  });

  test("is shared by directories, each of which gives its part back", async () => {
    const budget = new ByteBudget(1 << 20);
    const read = () => DirectoryNames.read(listing(2000, long).chunks, budget, yieldNow);
    const first = await read();
    await expect(read()).rejects.toThrow("more names");
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    (await read())[Symbol.dispose]();
    expect([budget.take(1 << 20), budget.take(1)]).toEqual([true, false]);
  });

  test("doesn't replace the limit of entries, of names of any length", async () => {
    const { chunks } = listing(300_000, () => Buffer.from("n"), 4096);
    await expect(DirectoryNames.read(chunks, new ByteBudget(), yieldNow)).rejects.toThrow(
      "more than 262144 entries in one directory",
    );
  });
});
