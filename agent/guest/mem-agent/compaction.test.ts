import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Compaction } from "./compaction.ts";
import { type CompactSettings, defaultCompact } from "./settings.ts";
import { CALM, testingGuest } from "./testing-guest.ts";

const settings: CompactSettings = { ...defaultCompact, compactForceTimes: 2 };
const running = () => new AbortController().signal;
const FILES = {
  "/proc/pagetypeinfo": "Node    0, zone    DMA32, type      Movable      5      3      2      1      0\n",
  "/proc/meminfo": "MemFree:          302120 kB\n",
  "/proc/pressure/memory": CALM,
  "/proc/pressure/io": CALM,
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("it is done when it is worth it, and else after so many periods without", async () => {
  const guest = testingGuest(FILES);
  const part = new Compaction(guest);
  await part.prepare();
  for (let round = 0; round < 6; round++) await part.round(settings, running());
  expect(guest.written).toEqual(Array(2).fill(["/proc/sys/vm/compact_memory", "1"]));
  guest.files.set("/proc/meminfo", "MemFree:          202120 kB\n");
  await part.round(settings, running());
  expect(guest.written).toHaveLength(3);
  expect(vi.getTimerCount()).toBe(0);
});

test("under pressure nothing is done, and the period counts as one without", async () => {
  const guest = testingGuest(FILES);
  const part = new Compaction(guest);
  const force = { ...settings, compactForceTimes: 0 };
  await part.round({ ...settings, compactThreshold: 99_999 }, running());
  guest.ms = 1000;
  guest.files.set("/proc/pressure/memory", CALM.replace("1000", "99000"));
  await part.round(force, running());
  expect(guest.written).toEqual([]);
  guest.ms = 2000;
  await part.round(force, running());
  expect(guest.written).toHaveLength(1);
});

test.each([
  ["the time is over", 5, "5 s are over", () => undefined],
  [
    "the guest comes under pressure",
    1,
    "pressure of 9 %",
    (guest: ReturnType<typeof testingGuest>) => guest.files.set("/proc/pressure/io", CALM.replace("1000", "92000")),
  ],
])("it is ended when %s", async (_, seconds, ended, meanwhile) => {
  const guest = testingGuest(FILES);
  const part = new Compaction(guest);
  guest.onWrite = (_path, _text, signal) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const round = part.round({ ...settings, compactForceTimes: 0, compactSecMax: 5 }, running());
  await vi.advanceTimersByTimeAsync(10);
  guest.ms = seconds * 1000;
  meanwhile(guest);
  await vi.advanceTimersByTimeAsync(seconds * 1000);
  await round;
  expect(guest.lines).toEqual([[{ ms: seconds * 1000, ended }, "memory was compacted"]]);
});

test("a kernel without a list of blocks is told in the contract's words", async () => {
  await expect(new Compaction(testingGuest({})).prepare()).rejects.toThrow(
    "mem-agent is disabled: this kernel has no list of free blocks by type (/proc/pagetypeinfo: ENOENT)",
  );
});
