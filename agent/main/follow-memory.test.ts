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

test("is told once of all blocks that came online at a time, and again of later ones", async () => {
  for (const index of [40, 41, 42]) block("online", index);
  expect(changed).not.toHaveBeenCalled();
  await immediate();
  expect(changed).toHaveBeenCalledTimes(1);
  block("offline");
  await immediate();
  expect(changed).toHaveBeenCalledTimes(2);
});

test("is told when events were lost", async () => {
  uevents.take(undefined);
  await immediate();
  expect(changed).toHaveBeenCalledTimes(1);
});

test("is not told of blocks that are offline still, nor of other devices", async () => {
  block("add");
  take("online", "/devices/system/cpu/cpu1", "cpu");
  await immediate();
  expect(changed).not.toHaveBeenCalled();
});

test("an error is reported, and the next change is told again", async () => {
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
