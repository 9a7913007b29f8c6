import { expect, test } from "vitest";
import type { DeviceCgroupSpec } from "../container/cgroup/resources-spec.ts";
import { type GuestDevice, guestRules } from "./guest-rules.ts";

const denyAll: DeviceCgroupSpec = { allow: false, type: "a", access: "rwm" };
const allow = (type: string, major: number, minor: number, access: string): DeviceCgroupSpec => ({
  ...{ allow: true, type, major, minor, access },
});
const disk: GuestDevice = {
  ...{ type: "b", major: 254, minor: 16, access: "rwm" },
  host: { type: "b", major: 8, minor: 0 },
};
const group: GuestDevice = {
  ...{ type: "c", major: 240, minor: 0, access: "rwm" },
  host: { type: "u", major: 511, minor: 4 },
};
const cdi: GuestDevice = { type: "c", major: 1, minor: 5, access: "r" };

test("rules with the host's numbers get the guest's, for c and u alike", () => {
  const rules = [
    denyAll,
    allow("b", 8, 0, "r"),
    allow("c", 511, 4, "rw"),
    allow("c", 8, 0, "w"),
    allow("c", 1, 3, "m"),
  ];
  expect(guestRules(rules, [disk, group])).toEqual([
    denyAll,
    allow("b", 254, 16, "r"),
    allow("c", 240, 0, "rw"),
    allow("c", 8, 0, "w"),
    allow("c", 1, 3, "m"),
  ]);
});

test("devices without a rule are allowed, the guest's own with their given access", () => {
  expect(guestRules([denyAll], [disk, cdi])).toEqual([denyAll, allow("b", 254, 16, "rwm"), allow("c", 1, 5, "r")]);
  expect(guestRules([denyAll], [])).toEqual([denyAll]);
});
