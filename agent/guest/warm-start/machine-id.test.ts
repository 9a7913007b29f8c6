import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSysDouble } from "../../kernel/testing/sys-double.ts";
import { randomMachineId, setMachineId } from "./machine-id.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "machine-id-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const paths = () => ({ source: join(directory, "source"), target: join(directory, "target") });

test("a random id has 32 digits and is another one each time", () => {
  const [first, second] = [randomMachineId(), randomMachineId()];
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(second).not.toBe(first);
});

test("binds a file in /run over the image's file once, and then rewrites it in place", async () => {
  const sys = createSysDouble();
  const { source, target } = paths();
  writeFileSync(target, "");
  await setMachineId(sys, "a".repeat(32), false, { source, target });
  const { ino } = statSync(source);
  await setMachineId(sys, "b".repeat(32), true, { source, target });
  expect(sys.calls.map(([name, from, to]) => [name, from, to])).toEqual([["mount", source, target]]);
  expect([readFileSync(source, "utf8"), statSync(source).ino]).toEqual([`${"b".repeat(32)}\n`, ino]);
});

test("an image without the file gets the one in /run alone", async () => {
  const sys = createSysDouble();
  await setMachineId(sys, "a".repeat(32), false, paths());
  expect(sys.calls).toEqual([]);
  expect(readFileSync(paths().source, "utf8")).toBe(`${"a".repeat(32)}\n`);
});
