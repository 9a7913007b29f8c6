import fc from "fast-check";
import { expect, test } from "vitest";
import { containerNode, guestNode } from "../../engine/tree/testing/sample-tree.ts";
import { applyChanges, changesBetween } from "./guest-changes.ts";
import type { GuestTree } from "./guest-tree.ts";

function tree(name: string, containers: Readonly<Record<string, number>>, cpus = 1): GuestTree {
  const nodes = Object.entries(containers).map(([id, cpu]) => containerNode(id, { usage: { cpu, pressure: {} } }));
  const sorted = nodes.toSorted((a, b) => a.id.localeCompare(b.id));
  const { events: _, ...guest } = guestNode(name, sorted, { cpus });
  return guest;
}

const containers = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 0, max: 2 }));
const guests = fc
  .dictionary(fc.constantFrom("g", "h", "i"), fc.tuple(containers, fc.integer({ min: 1, max: 2 })))
  .map((all) => Object.entries(all).map(([name, [inside, cpus]]) => tree(name, inside, cpus)))
  .map((all) => all.toSorted((a, b) => a.name.localeCompare(b.name)));

test("the changes between two states make the second of the first", () => {
  fc.assert(
    fc.property(guests, guests, (before, after) => {
      const changes = changesBetween(before, after);
      if (changes === undefined) expect(before).toEqual(after);
      else expect(applyChanges(before, JSON.parse(JSON.stringify(changes)))).toEqual(after);
    }),
  );
});

test("unchanged guests and containers stay the same objects", () => {
  const before = [tree("g", { a: 1, b: 1 }), tree("h", {})];
  const changes = changesBetween(before, [tree("g", { a: 1, b: 2 }), tree("h", {})]);
  expect(changes?.guests.map(({ containers: changed }) => changed.map(({ id }) => id))).toEqual([["b"]]);
  const after = applyChanges(before, changes ?? { guests: [], gone: [] });
  expect(after[1]).toBe(before[1]);
  expect(after[0]?.containers[0]).toBe(before[0]?.containers[0]);
});
