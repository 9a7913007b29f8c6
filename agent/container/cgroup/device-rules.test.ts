import fc from "fast-check";
import { expect, test } from "vitest";
import { deviceRules, nodeRules } from "./device-rules.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

const numbers = fc.option(fc.nat(2), { nil: undefined });
const rule = fc.record({ type: fc.constantFrom("a", "b", "c", "x"), major: numbers, minor: numbers });
const node = fc.record({ type: fc.constantFrom("b", "c", "u", "p"), major: fc.nat(2), minor: fc.nat(2) });
const device = { path: "/dev/x", mode: 0o666, uid: 0, gid: 0 };

test("places nodes whose major number a rule names before the rules, and the others after them", () => {
  fc.assert(
    fc.property(fc.array(node), fc.array(rule), (nodes, given) => {
      const rules = given.map(({ type, major, minor }): DeviceCgroupSpec => {
        const of = { allow: false, type, access: "rwm" };
        return { ...of, major, minor };
      });
      const devices = nodes.map((numbers) => ({ ...device, ...numbers }));
      const { before, after } = nodeRules({ devices, resources: { devices: rules } });
      const isGiven = ({ type, major, minor }: DeviceCgroupSpec) =>
        rules.some(
          (each) =>
            (each.type === "a" || each.type === type) &&
            each.major === major &&
            (each.minor === undefined || each.minor === minor),
        );
      expect(before.every(isGiven)).toBe(true);
      expect(after.some(isGiven)).toBe(false);
      expect(before.length + after.length).toBe(nodes.filter(({ type }) => type !== "p").length);
    }),
  );
});

test("reads each rule once, however many nodes there are", () => {
  let looks = 0;
  const rules = Array.from({ length: 100 }, (_, minor): DeviceCgroupSpec => {
    return {
      allow: true,
      type: "c",
      minor,
      access: "rwm",
      get major() {
        looks++;
        return 7;
      },
    };
  });
  const devices = Array.from({ length: 1000 }, (_, minor) => ({ ...device, type: "c", major: 9, minor }));
  expect(nodeRules({ devices, resources: { devices: rules } }).after).toHaveLength(1000);
  expect(looks).toBe(100);
});

test("a container has at most 1024 rules of its own", () => {
  const many = (length: number) => {
    const rules = Array.from(
      { length },
      (_, minor): DeviceCgroupSpec => ({ allow: true, type: "c", major: 1, minor, access: "r" }),
    );
    return () => deviceRules({ devices: [], resources: { devices: rules } });
  };
  expect(many(1024)).not.toThrow();
  expect(many(1025)).toThrow("OCI spec: linux.resources.devices has 1025 rules, more than 1024");
});
