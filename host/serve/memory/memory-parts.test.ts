import { expect, test } from "vitest";
import { guestParts } from "./guest-memory.ts";
import { partsOf } from "./host-memory.ts";

test("parts of the guest's memory add up, even if counters overlap", () => {
  const meminfo = new Map([
    ["mem_total", 1000],
    ["mem_free", 400],
    ["slab", 50],
    ["shmem", 100],
  ]);
  const parts = guestParts(meminfo, 200, 100);
  expect(Object.fromEntries(parts.map(({ kind, bytes }) => [kind, bytes]))).toEqual({
    ...{ free: 400, containers: 200, agent: 100, kernel: 50 },
    ...{ "output that is kept, and state": 100, "page cache and the rest": 150 },
  });
  const overlapping = guestParts(meminfo, 900, 900);
  expect(overlapping.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(1000);
});

test("mappings of QEMU are divided by what they map", () => {
  const mapping = (name: string, kib: number) =>
    `7f00-7f01 rw-p 00000000 00:01 1   ${name}\nSize: 9 kB\nPss:   ${kib} kB\nPss_Dirty: 1 kB\n`;
  const smaps = [
    mapping("/memfd:memory-backend-memfd (deleted)", 10),
    mapping("/work/build/image/guestd.img", 20),
    mapping("/home/u/.cache/guestd/templates/named/t/memory", 30),
    mapping("/usr/bin/qemu-system-x86_64", 2),
    mapping("[heap]", 1),
  ];
  expect(partsOf(smaps.join("")).map(({ bytes }) => bytes / 1024)).toEqual([10, 20, 30, 3]);
});
