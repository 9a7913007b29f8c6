import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Compaction } from "./compaction.ts";
import { type CompactSettings, defaultCompact } from "./settings.ts";
import { CALM, testGuest } from "./testing/test-guest.ts";

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

test("compaction runs when it is worthwhile, or after the configured number of skipped periods", async () => {
  const guest = testGuest(FILES);
  const part = new Compaction(guest);
  await part.prepare();
  for (let round = 0; round < 6; round++) await part.round(settings, running());
  expect(guest.written).toEqual(Array(2).fill(["/proc/sys/vm/compact_memory", "1"]));
  guest.files.set("/proc/meminfo", "MemFree:          202120 kB\n");
  await part.round(settings, running());
  expect(guest.written).toHaveLength(3);
  expect(vi.getTimerCount()).toBe(0);
});

test("compaction is skipped under pressure, and the period counts as skipped", async () => {
  const guest = testGuest(FILES);
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
  ["its time is over", 5, "5 s are over", () => undefined],
  [
    "the guest comes under pressure",
    1,
    "pressure of 9 %",
    (guest: ReturnType<typeof testGuest>) => guest.files.set("/proc/pressure/io", CALM.replace("1000", "92000")),
  ],
])("compaction stops when %s", async (_, seconds, ended, meanwhile) => {
  const guest = testGuest(FILES);
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

test.each([
  ["compaction is skipped at 3 % with a periodPsiPercentLimit of 2", { periodPsiPercentLimit: 2 }, 0],
  ["compaction runs at 3 % with a periodPsiPercentLimit of 3", { periodPsiPercentLimit: 3 }, 1],
  [
    "compaction is skipped for five small blocks with a compactOrder of 1",
    { compactOrder: 1, compactForceTimes: 99 },
    0,
  ],
  ["compaction runs for eleven pages with a compactOrder of 2", { compactOrder: 2, compactForceTimes: 99 }, 1],
])("%s", async (_, changed, times) => {
  const guest = testGuest({ ...FILES, "/proc/meminfo": "MemFree:    0 kB\n" });
  const part = new Compaction(guest);
  const force = { ...settings, compactForceTimes: 0, compactThreshold: 8 };
  await part.round({ ...force, compactForceTimes: 99, compactThreshold: 99_999 }, running());
  guest.ms = 1000;
  guest.files.set("/proc/pressure/io", CALM.replace("1000", "31000"));
  await part.round({ ...force, periodPsiPercentLimit: 3, ...changed }, running());
  expect(guest.written).toHaveLength(times);
});

test("compaction stops above its compactPsiPercentLimit, not at it", async () => {
  const guest = testGuest(FILES);
  const part = new Compaction(guest);
  let given: AbortSignal | undefined;
  guest.onWrite = (_path, _text, signal) => {
    given = signal;
    return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  };
  const round = part.round({ ...settings, compactForceTimes: 0, compactPsiPercentLimit: 20 }, running());
  for (const percent of [20, 21]) {
    await vi.advanceTimersByTimeAsync(10);
    expect(given?.aborted).toBe(false);
    guest.ms += 1000;
    const stalled = percent === 20 ? 201_000 : 411_000;
    guest.files.set("/proc/pressure/io", CALM.replace("1000", String(stalled)));
    await vi.advanceTimersByTimeAsync(1000);
  }
  await round;
  expect(guest.lines).toEqual([[{ ms: 2000, ended: "pressure of 21 %" }, "memory was compacted"]]);
});

test("a kernel without a list of free blocks is reported in the text that hosts know", async () => {
  await expect(new Compaction(testGuest({})).prepare()).rejects.toThrow(
    "mem-agent is disabled: this kernel has no list of free blocks by type (/proc/pagetypeinfo: ENOENT)",
  );
});
