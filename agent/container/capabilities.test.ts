import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { capabilityMask } from "./capabilities.ts";

test("names count with the prefix and without it, in any order and case", () => {
  expect(capabilityMask(["CAP_KILL", "chown"], "f")).toBe(0x21n);
  expect(capabilityMask(["CHOWN", "CAP_KILL"], "f")).toBe(0x21n);
  expect(capabilityMask([], "f")).toBe(0n);
});

test.each([
  ["CAP_CHOWN", 0],
  ["CAP_NET_ADMIN", 12],
  ["CAP_SYS_ADMIN", 21],
  ["CAP_AUDIT_CONTROL", 30],
  ["CAP_SETFCAP", 31],
  ["CAP_MAC_OVERRIDE", 32],
  ["CAP_CHECKPOINT_RESTORE", 40],
])("%s is number %i, as in capability.h", (name, number) => {
  expect(capabilityMask([name], "f")).toBe(1n << BigInt(number));
});

test("the list ends where this kernel's does, or before it", () => {
  const last = BigInt(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8").trim());
  expect(capabilityMask(["CHECKPOINT_RESTORE"], "f")).toBeLessThanOrEqual(1n << last);
});

test("an unknown one is refused with the field that it stands in", () => {
  expect(() => capabilityMask(["CAP_FLY"], "process.capabilities.bounding")).toThrow(
    'process.capabilities.bounding: unknown capability "CAP_FLY"',
  );
});
