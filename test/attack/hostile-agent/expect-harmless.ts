import { expect } from "vitest";
import type { Attacked } from "./attack-guestctl.ts";

/** Memory that an agent may make a client take beside what it has anyway, MiB. */
const MOST_MIB = 64;

/** Expects that a client ended, printed and wrote nothing harmful, and took no more memory than at a silent agent. */
export function expectHarmless(attacked: Attacked, idleMib: number): void {
  const { manner, end, strayFiles, control, stderr, peakMib, isReached, failure } = attacked;
  const what = `answers that are ${manner}: ${stderr}`;
  expect({ strayFiles, control }, what).toEqual({ strayFiles: [], control: undefined });
  expect({ isReached, failure }, what).toEqual({ isReached: true, failure: undefined });
  expect(end, `it did not end: ${what}`).toBeDefined();
  expect(stderr, what).not.toMatch(/heap out of memory|^\s+at /m);
  expect(peakMib, what).toBeLessThan(idleMib + MOST_MIB);
}
