import { afterEach, beforeEach, expect } from "vitest";
import { openDescriptors } from "./open-descriptors.ts";

/** After each test of the file as many descriptors are open as before it. */
export function leavesNoDescriptors(): void {
  let before = 0;
  beforeEach(() => {
    before = openDescriptors();
  });
  afterEach(() => {
    expect(openDescriptors(), "descriptors left open").toBe(before);
  });
}
