import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freeMemory, shouldCompact } from "./choose-compaction.ts";
import { defaultCompact } from "./settings.ts";

const PAGETYPEINFO = `Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10
Node    0, zone      DMA, type    Unmovable      0      0      0      0      0      0      0      0      1      0      0
Node    0, zone      DMA, type      Movable      0      0      0      0      0      0      0      0      0      1      3
Node    0, zone    DMA32, type    Unmovable      9     11      1      1      0      1      1      1      0      0      0
Node    0, zone    DMA32, type      Movable      5      3      2      1      0      0      0      0      1      2     70
Node    0, zone   Normal, type      Movable >100000      0      0      0      0      0      0      0      0      0      0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate
Node 0, zone      DMA            1            7            0            0            0
`;
const MEMINFO = "MemTotal:         491520 kB\nMemFree:          302120 kB\n";
const free = (pages: number, smallPages: number) => ({ pages, smallPages });
const settings = { ...defaultCompact, compactThreshold: 100 };

test("movable pages in blocks below the order count as small", () => {
  expect(freeMemory(MEMINFO, PAGETYPEINFO, 9)).toEqual(free(75_530, 5 + 6 + 8 + 8 + 256 + 100_000));
  expect(freeMemory(MEMINFO, PAGETYPEINFO, 2).smallPages).toBe(5 + 6 + 100_000);
  expect(freeMemory("", "", 9)).toEqual(free(0, 0));
});

test("output of a real kernel is parsed", () => {
  const recorded = readFileSync(join(import.meta.dirname, "testdata/pagetypeinfo.txt"), "utf8");
  expect(freeMemory(MEMINFO, recorded, 9).smallPages).toBe(2 + 4 + 16 + 128);
});

test("compaction is worthwhile if small blocks hold more pages than the threshold, or fewer pages are free", () => {
  expect(shouldCompact(free(1000, 150), free(1000, 50), 0, settings)).toBe(false);
  expect(shouldCompact(free(1000, 151), free(1000, 50), 0, settings)).toBe(true);
  expect(shouldCompact(free(900, 0), free(1000, 50), 0, settings)).toBe(false);
  expect(shouldCompact(free(899, 0), free(1000, 50), 0, settings)).toBe(true);
});

test("compaction runs anyway after enough skipped periods, by default never", () => {
  const same = free(1000, 50);
  expect(shouldCompact(same, same, 2, { ...settings, compactForceTimes: 3 })).toBe(false);
  expect(shouldCompact(same, same, 3, { ...settings, compactForceTimes: 3 })).toBe(true);
  expect(shouldCompact(same, same, 0, { ...settings, compactForceTimes: 0 })).toBe(true);
  expect(shouldCompact(same, same, Number.MAX_SAFE_INTEGER, settings)).toBe(false);
});
