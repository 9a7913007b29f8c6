import { expect, test } from "vitest";
import { changed, compactBounds, defaultCompact, defaultMemcg, memcgBounds } from "./settings.ts";

test("what is absent stays", () => {
  const change = { swap: true, periodSecs: 7, swappinessMax: null, disabled: undefined };
  expect(changed("memcg", defaultMemcg, change, memcgBounds)).toEqual({ ...defaultMemcg, swap: true, periodSecs: 7 });
});

test("0 and the largest numbers of the calls are taken as they are", () => {
  const change = { compactForceTimes: 2 ** 64, compactThreshold: 0, compactPsiPercentLimit: 0 };
  expect(changed("compact", defaultCompact, change, compactBounds)).toMatchObject(change);
});

test.each([
  [{ periodSecs: 0 }, "memcg: period_secs 0 is not from 1 to 2147483"],
  [{ swappinessMax: 201 }, "memcg: swappiness_max 201 is not from 0 to 200"],
  [{ evictionPsiPercentLimit: 4294967295 }, "memcg: eviction_psi_percent_limit 4294967295 is not from 0 to 200"],
])("%j is refused by the name of its field", (change, line) => {
  expect(() => changed("memcg", defaultMemcg, change, memcgBounds)).toThrow(line);
});
