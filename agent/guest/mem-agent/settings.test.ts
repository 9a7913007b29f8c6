import { expect, test } from "vitest";
import { changed, compactBounds, defaultCompact, defaultMemcg, memcgBounds } from "./settings.ts";

test("a change keeps the settings that it does not name", () => {
  const change = { swap: true, periodSecs: 7, swappinessMax: null, disabled: undefined };
  expect(changed("memcg", defaultMemcg, change, memcgBounds)).toEqual({ ...defaultMemcg, swap: true, periodSecs: 7 });
});

test("a change accepts 0 and the largest numbers that the calls can carry", () => {
  const change = { compactForceTimes: 2 ** 64, compactThreshold: 0, compactPsiPercentLimit: 0 };
  expect(changed("compact", defaultCompact, change, compactBounds)).toMatchObject(change);
});

test.each([
  [{ periodSecs: 0 }, "memcg: period_secs 0 is out of range, use 1 to 2147483"],
  [{ swappinessMax: 201 }, "memcg: swappiness_max 201 is out of range, use 0 to 200"],
  [
    { evictionPsiPercentLimit: 4294967295 },
    "memcg: eviction_psi_percent_limit 4294967295 is out of range, use 0 to 200",
  ],
])("a change with %j is refused and names the field", (change, line) => {
  expect(() => changed("memcg", defaultMemcg, change, memcgBounds)).toThrow(line);
});
