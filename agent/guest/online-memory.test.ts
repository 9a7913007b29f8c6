import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { onlineMemory, probeMemory } from "./online-memory.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-memory-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const block = (index: number, online: string) => {
  mkdirSync(join(directory, `memory${index}`));
  writeFileSync(join(directory, `memory${index}/online`), online);
};
const text = (path: string) => readFileSync(join(directory, path), "utf8");

test("brings offline blocks online and leaves the others alone", async () => {
  block(0, "1\n");
  block(32, "0\n");
  mkdirSync(join(directory, "power"));
  await onlineMemory(directory);
  expect([text("memory0/online"), text("memory32/online")]).toEqual(["1\n", "1\n"]);
});

test("tries the other blocks after one fails, and names the failed one", async () => {
  block(1, "0");
  mkdirSync(join(directory, "memory2/online"), { recursive: true });
  mkdirSync(join(directory, "memory3")); // unplugged meanwhile
  block(4, "0");
  await expect(onlineMemory(directory)).rejects.toThrow(
    "online memory block memory2: EISDIR; 0 more failed, 2 came online",
  );
  expect([text("memory1/online"), text("memory4/online")]).toEqual(["1", "1"]);
});

test("does nothing on a kernel without memory hotplug", async () => {
  await onlineMemory(join(directory, "none"));
});

const zones = (pages: number) => {
  writeFileSync(join(directory, "block_size_bytes"), "8000000\n");
  const file = join(directory, "zoneinfo");
  writeFileSync(
    file,
    `Node 0, zone  DMA\n        spanned  9000\n        present  3998\nNode 0, zone DMA32\n        present  ${pages}\n`,
  );
  return file;
};

test("reads no block when the zones hold more pages than all blocks but one", async () => {
  block(0, "1\n");
  block(1, "0\n"); // impossible here: shows that the block was not read
  await onlineMemory(directory, zones(2 * 32768 - 4096));
  expect(text("memory1/online")).toBe("0\n");
});

test("reads the blocks when the zones lack as many pages as a block has", async () => {
  block(0, "1\n");
  block(1, "0\n");
  await onlineMemory(directory, zones(32768 - 3998));
  expect(text("memory1/online")).toBe("1\n");
});

test("writes addresses to the probe file in hexadecimal", async () => {
  writeFileSync(join(directory, "probe"), "");
  await probeMemory([0x1_4000_0000], directory);
  expect(text("probe")).toBe("0x140000000");
});

test("reports a missing probe file and an address that is too large", async () => {
  await probeMemory([], directory);
  await expect(probeMemory([1], directory)).rejects.toThrow(`probe memory: this kernel has no ${directory}/probe`);
  await expect(probeMemory([2 ** 64], directory)).rejects.toMatchObject({ kind: "invalid-argument" });
});
