import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EventRing, KEPT_EVENTS, MAX_EVENT_BYTES } from "./event-ring.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "event-ring-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

test.each([0, 1, 2, KEPT_EVENTS - 1, KEPT_EVENTS, KEPT_EVENTS + 1, KEPT_EVENTS * 2 + 7])(
  "after %i events, another agent finds the last ones and continues their numbers",
  (count) => {
    const path = join(directory, `${count}`);
    const ring = new EventRing(path);
    for (let number = 1; number <= count; number++) ring.append(Buffer.from(`event ${number}`));
    ring.close();
    const next = new EventRing(path);
    const first = Math.max(1, count - KEPT_EVENTS + 1);
    expect([next.first, next.last]).toEqual([first, count]);
    if (count > 0)
      expect([text(next.read(first)), text(next.read(count))]).toEqual([`event ${first}`, `event ${count}`]);
    expect([next.read(first - 1), next.read(count + 1)]).toEqual([undefined, undefined]);
    next.append(Buffer.from("more"));
    expect([next.last, text(next.read(count + 1))]).toEqual([count + 1, "more"]);
    next.close();
  },
);

test("refuses an event that is longer than its place, and keeps the numbers", () => {
  const ring = new EventRing(join(directory, "long"));
  ring.append(new Uint8Array(MAX_EVENT_BYTES));
  expect(() => ring.append(new Uint8Array(MAX_EVENT_BYTES + 1))).toThrow("too long");
  expect(ring.last).toBe(1);
  ring.close();
});
