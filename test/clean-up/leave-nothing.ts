import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { leftovers, traces } from "./leftovers.ts";

/** Time for what is about to end. */
const LIMIT_MS = 50_000;

// Fails a file that leaves something to the next one in its process. Set up before restore-globals.ts, it ends last.
let before: ReturnType<typeof traces> | undefined;
beforeAll(() => {
  before = traces();
});

afterAll(async () => {
  if (before === undefined) return;
  const limit = performance.now() + LIMIT_MS;
  while (leftovers(before, traces()).length > 0 && performance.now() < limit) await sleep(20);
  expect(leftovers(before, traces()), "what this file leaves to the next one in its process").toEqual([]);
}, 2 * LIMIT_MS);
