import { expect, test } from "vitest";
import { guestSize } from "./guest-flags.ts";

test("a guest has room for its container's limits", () => {
  expect(guestSize({})).toEqual({ memoryMib: 512, cpus: 1 });
  expect(guestSize({}, { memory: 2 ** 20, cpus: 0.5 })).toEqual({ memoryMib: 512, cpus: 1 });
  expect(guestSize({}, { memory: 2 ** 30, cpus: 1.5 })).toEqual({ memoryMib: 1280, cpus: 2 });
});

test("what is said of the guest counts", () => {
  expect(guestSize({ vmMemory: 200, vmCpus: 4 }, { memory: 2 ** 30, cpus: 1 })).toEqual({ memoryMib: 200, cpus: 4 });
});
