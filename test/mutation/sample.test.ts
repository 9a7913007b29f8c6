import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { productFiles } from "./product-files.ts";
import { sampleLines } from "./sample.ts";

const repository = join(import.meta.dirname, "../..");
const tree = mkdtempSync(join(tmpdir(), "sample-"));
afterAll(() => rmSync(tree, { recursive: true }));
const FILES = ["agent/kernel/a.ts", "agent/kernel/b.ts", "agent/sandbox/c.ts"];
for (const file of FILES) {
  mkdirSync(join(tree, file, ".."), { recursive: true });
  writeFileSync(join(tree, file), "1\n2\n3\n4\n5\n");
}

test("a seed draws the same lines each time, the requested number of each folder", () => {
  const drawn = sampleLines(tree, FILES, 4, "today");
  expect(sampleLines(tree, FILES, 4, "today")).toEqual(drawn);
  expect(sampleLines(tree, FILES, 4, "tomorrow")).not.toEqual(drawn);
  expect(drawn.filter((line) => line.startsWith("agent/kernel/"))).toHaveLength(4);
  expect(new Set(drawn).size).toBe(8);
  for (const line of drawn) expect(line).toMatch(/^agent\/[a-z/]+\.ts:([1-6])-\1$/);
});

test("mutates the files that the agent consists of, without tests and their helpers", async () => {
  const files = await productFiles(repository);
  expect(files).toContain("agent/container/launch.ts");
  expect(files.filter((file) => /\.test\.ts$|testing\/|-double\.ts$/.test(file))).toEqual([]);
  expect(files.filter((file) => !/^agent\/(container|kernel|sandbox|transport)\//.test(file))).toEqual([]);
});
