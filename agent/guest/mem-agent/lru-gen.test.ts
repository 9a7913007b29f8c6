import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { agingCommand, evictionCommand, type MemcgNode, parseLruGen } from "./lru-gen.ts";

/** Output of Debian's 6.1 kernel in a guest. */
const recorded = readFileSync(join(import.meta.dirname, "testdata/lru_gen.txt"), "utf8");

test("parses output of a real kernel, oldest generation first", () => {
  const nodes = parseLruGen(recorded);
  expect(nodes.map(({ memcg, path, node }) => [memcg, path, node])).toEqual([
    [1, "/", 0],
    [2, "/guestd", 0],
    [3, "/pod", 0],
  ]);
  expect(nodes[1]?.generations).toEqual([
    { seq: 0, ageMs: 5268, anon: 0, file: 0 },
    { seq: 1, ageMs: 5268, anon: 0, file: 1 },
    { seq: 2, ageMs: 5268, anon: 5565, file: 0 },
    { seq: 3, ageMs: 5268, anon: 62, file: 5 },
  ]);
});

const counter = fc.nat({ max: 2 ** 30 });
const generation = fc.record({ seq: counter, ageMs: counter, anon: counter, file: counter });
/** A cgroup's name may hold anything but a slash and a newline. A container with its own cgroups chooses it. */
const name = fc.string({ minLength: 1, unit: "binary" }).filter((text) => !/[/\n\r\u2028\u2029]/.test(text));
const one = fc.record({
  memcg: fc.integer({ min: 1, max: 65_535 }),
  path: name.map((text) => `/pod/${text}`),
  node: fc.nat({ max: 7 }),
  generations: fc.array(generation, { minLength: 1, maxLength: 4 }),
});

/** Formats nodes as the kernel does. */
function show({ memcg, path, node, generations }: MemcgNode): string {
  const pad = (value: number) => String(value).padStart(10);
  const rows = generations.map(
    ({ seq, ageMs, anon, file }) => ` ${pad(seq)} ${pad(ageMs)} ${pad(anon)}  ${pad(file)} \n`,
  );
  return `memcg ${String(memcg).padStart(5)} ${path}\n node ${String(node).padStart(5)}\n${rows.join("")}`;
}

test("parses what the kernel prints, whatever the cgroups' names", () => {
  fc.assert(
    fc.property(fc.array(one), (nodes) => {
      expect(parseLruGen(nodes.map(show).join(""))).toEqual(nodes);
    }),
  );
});

test("parses any text, and drops cgroups that the kernel has released", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => parseLruGen(text).length === 0));
  expect(parseLruGen(recorded.replace("memcg     2", "memcg     0")).map(({ path }) => path)).toEqual(["/", "/pod"]);
});

test("builds commands as the kernel documents them", () => {
  const [, node] = parseLruGen(recorded);
  if (node === undefined) throw new Error("nothing was read");
  expect(agingCommand(node, false)).toBe("+ 2 0 3 0 1");
  expect(evictionCommand(node, { seq: 0, swappiness: 50 }, 1024)).toBe("- 2 0 0 50 1024");
});
