import { expect, test } from "vitest";
import type { GuestRecord } from "../../engine/record/state-records.ts";
import { bootsOf } from "./boots.ts";

const record = (name: string, bootedAt: string, check: number): GuestRecord => ({
  ...{ name, address: "unix:///a", logAddress: "unix:///l", accelerator: "kvm", memoryMib: 512, cpus: 1, bootedAt },
  timeline: { listening: 5, check },
});
const entry = (guest: string, at: string, check: number) => ({
  ...{ accelerator: "kvm", ms: check },
  details: { guest, at, timeline: { listening: 5, check } },
});

test("boots are those of the records, and earlier ones of guests that are gone, the last one first", () => {
  const ended = { ...record("b", "2026-11-02", 20), ended: { at: "2026-11-03", why: "crashed" } };
  const log = [
    entry("a", "2026-11-01", 9),
    { failed: true } as const,
    { accelerator: "tcg", ms: 7 },
    entry("b", "2026-11-02", 20),
  ];
  const boots = bootsOf({
    guests: () => [record("a", "2026-11-04", 30)],
    endedGuests: () => [ended],
    boots: { list: () => log } as never,
  });
  expect(boots.map(({ guest, steps, why, isRunning }) => [guest, steps.at(-1)?.ms, why, isRunning])).toEqual([
    ["a", 30, undefined, true],
    ["b", 20, "crashed", false],
    ["a", 9, undefined, false],
  ]);
});
