import { expect, test } from "vitest";
import { ByteBudget } from "./byte-budget.ts";
import { FirstNames } from "./first-names.ts";
import type { TreeStat } from "./tree-files.ts";

const file = (ino: number, dev = 1) => ({ dev: BigInt(dev), ino: BigInt(ino) }) as TreeStat;

test("a file keeps the first name that it had, by device and inode", () => {
  using names = new FirstNames(new ByteBudget());
  expect([names.of("a", file(1)), names.of("b", file(1)), names.of("c", file(1, 2)), names.of("d", file(2))]).toEqual([
    ...["a", "a", "c", "d"],
  ]);
});

test("names that exceed the budget aren't remembered, and the others still are", () => {
  const budget = new ByteBudget(1 << 20);
  const deep = "d/".repeat(7500);
  {
    using names = new FirstNames(budget);
    const remembered = Array.from({ length: 20_000 }, (_, ino) => names.of(`${deep}${ino}`, file(ino)));
    const count = remembered.filter((name) => name !== undefined).length;
    expect(count * deep.length).toBeLessThanOrEqual(1 << 20);
    expect(count).toBeGreaterThan(60);
    expect(names.of("other", file(0))).toBe(`${deep}0`);
  }
  expect([budget.take(1 << 20), budget.take(1)]).toEqual([true, false]);
});

test("no more than 65,536 files are remembered", () => {
  using names = new FirstNames(new ByteBudget());
  const remembered = Array.from({ length: 65_537 }, (_, ino) => names.of("n", file(ino)));
  expect(remembered.filter((name) => name === undefined)).toHaveLength(1);
});
