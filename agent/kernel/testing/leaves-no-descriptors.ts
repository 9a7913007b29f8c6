import { afterEach, beforeEach, expect } from "vitest";
import { descriptorTargets } from "./open-descriptors.ts";

/** Asserts after each test in the file, once its own hooks have run, that the test left no descriptor open. */
export function leavesNoDescriptors(): void {
  let before = new Set<string>();
  beforeEach(() => {
    before = new Set(descriptorTargets());
  });
  afterEach(async () => {
    // Node closes some descriptors a turn later, and the test runner briefly opens some of its own.
    const leftOpen = () => descriptorTargets().filter((target) => !before.has(target));
    await expect.poll(leftOpen, { message: "descriptors left open" }).toEqual([]);
  });
}
