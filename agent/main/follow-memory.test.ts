import { setImmediate as immediate } from "node:timers/promises";
import { beforeEach, expect, test, vi } from "vitest";
import { Uevents } from "../device/uevents.ts";
import { followMemory } from "./follow-memory.ts";

let uevents: Uevents;
const changed = vi.fn();
const failed = vi.fn();
beforeEach(() => {
  uevents = new Uevents();
  vi.resetAllMocks();
  followMemory(uevents, changed, failed);
});

const take = (action: string, path: string, subsystem: string) =>
  uevents.take(Buffer.from(`${action}@${path}\0ACTION=${action}\0DEVPATH=${path}\0SUBSYSTEM=${subsystem}\0`));
const block = (action: string, index = 40) => take(action, `/devices/system/memory/memory${index}`, "memory");

test("reports blocks that came online together once, and later ones again", async () => {
  for (const index of [40, 41, 42]) block("online", index);
  expect(changed).not.toHaveBeenCalled();
  await immediate();
  expect(changed).toHaveBeenCalledTimes(1);
  block("offline");
  await immediate();
  expect(changed).toHaveBeenCalledTimes(2);
});

test("reports a possible change when events were lost", async () => {
  uevents.take(undefined);
  await immediate();
  expect(changed).toHaveBeenCalledTimes(1);
});

test("does not report blocks that stay offline, nor other devices", async () => {
  block("add");
  take("online", "/devices/system/cpu/cpu1", "cpu");
  await immediate();
  expect(changed).not.toHaveBeenCalled();
});

test("passes on an error, and reports the next change again", async () => {
  changed.mockImplementationOnce(() => {
    throw new Error("EMFILE");
  });
  block("online");
  await immediate();
  expect(failed).toHaveBeenCalledWith(new Error("EMFILE"));
  block("online");
  await immediate();
  expect(changed).toHaveBeenCalledTimes(2);
});
