import { expect, test } from "vitest";
import { capabilityMask, capabilityNames } from "../../kernel/capabilities.ts";
import { mayTrace, unknownCapabilities } from "./capabilities.ts";

test("an unknown capability is ignored and listed", () => {
  expect(capabilityMask(["CAP_FLY", "CAP_CHOWN"])).toBe(1n);
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  expect(unknownCapabilities({ ...none, bounding: ["CAP_FLY", "KILL"], ambient: ["CAP_FLY"] })).toEqual(["CAP_FLY"]);
  expect(unknownCapabilities(undefined)).toEqual([]);
});

test("a process may trace others if any of its sets lets it", () => {
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  expect([mayTrace(undefined), mayTrace(none), mayTrace({ ...none, bounding: ["CAP_KILL"] })]).toEqual([
    false,
    false,
    false,
  ]);
  for (const set of Object.keys(none)) expect(mayTrace({ ...none, [set]: ["KILL", "CAP_SYS_PTRACE"] })).toBe(true);
});

test("a mask is shown by its names, in the order of their numbers", () => {
  expect([capabilityNames(0n), capabilityNames(0x21n)]).toEqual(["none", "CHOWN KILL"]);
});
