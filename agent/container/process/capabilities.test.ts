import { expect, test } from "vitest";
import { capabilityMask } from "../../kernel/capabilities.ts";
import { unknownCapabilities } from "./capabilities.ts";

test("an unknown capability is ignored and listed", () => {
  expect(capabilityMask(["CAP_FLY", "CAP_CHOWN"])).toBe(1n);
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  expect(unknownCapabilities({ ...none, bounding: ["CAP_FLY", "KILL"], ambient: ["CAP_FLY"] })).toEqual(["CAP_FLY"]);
  expect(unknownCapabilities(undefined)).toEqual([]);
});
