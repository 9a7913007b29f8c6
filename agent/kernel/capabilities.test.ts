import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { capabilityMask } from "./capabilities.ts";

test("names are accepted with and without prefix, in any order and case", () => {
  expect(capabilityMask(["CAP_KILL", "chown"])).toBe(0x21n);
  expect(capabilityMask(["CHOWN", "CAP_KILL"])).toBe(0x21n);
  expect(capabilityMask([])).toBe(0n);
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
  expect(capabilityMask([name])).toBe(1n << BigInt(number));
});

test("the list does not go beyond this kernel's capabilities", () => {
  const last = BigInt(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8").trim());
  expect(capabilityMask(["CHECKPOINT_RESTORE"])).toBeLessThanOrEqual(1n << last);
});
