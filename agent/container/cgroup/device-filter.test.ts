import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deviceFilter } from "./device-filter.ts";
import { allowsAll, type DeviceRule, deviceRules } from "./device-rules.ts";

interface Use {
  readonly type: 1 | 2;
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

/** Interprets the few instructions that the compiler emits; throws at any other, and at a jump out of the program. */
function run(code: Uint8Array, use: Use): number {
  const view = new DataView(code.buffer);
  const context = [(use.access << 16) | use.type, use.major, use.minor];
  const registers = new Map<number, bigint>([[1, 0n]]);
  const get = (register: number) => {
    const value = registers.get(register);
    if (value === undefined) throw new Error(`r${register} was not set`);
    return value;
  };
  for (let at = 0, steps = 0; ; at += 1) {
    if (++steps > code.length) throw new Error("a loop");
    const op = view.getUint8(at * 8);
    const [to, from] = [view.getUint8(at * 8 + 1) & 15, view.getUint8(at * 8 + 1) >> 4];
    const [offset, value] = [view.getInt16(at * 8 + 2, true), BigInt(view.getInt32(at * 8 + 4, true))];
    if (op === 0x61) registers.set(to, BigInt(context[(Number(get(from)) + offset) / 4] ?? Number.NaN));
    else if (op === 0x69) registers.set(to, BigInt((context[Number(get(from)) + offset] ?? Number.NaN) & 0xffff));
    else if (op === 0xb7) registers.set(to, value);
    else if (op === 0x57) registers.set(to, get(to) & value);
    else if (op === 0x77) registers.set(to, get(to) >> value);
    else if (op === 0x05) at += offset;
    else if (op === 0x55) at += get(to) !== value ? offset : 0;
    else if (op === 0x45) at += (get(to) & value) !== 0n ? offset : 0;
    else if (op === 0x95) return Number(get(0));
    else throw new Error(`instruction ${at}: unknown opcode ${op}`);
  }
}

/** Rule semantics in their plainest form: for each bit, the last rule that matches the device and has the bit decides. */
function mayUse(rules: readonly DeviceRule[], { type, major, minor, access }: Use): boolean {
  return [1, 2, 4].every((bit) => {
    if ((access & bit) === 0) return true;
    const matching = rules.filter(
      (rule) =>
        (rule.type === undefined || rule.type === (type === 1 ? "b" : "c")) &&
        (rule.major === undefined || rule.major === major) &&
        (rule.minor === undefined || rule.minor === minor) &&
        (rule.access & bit) !== 0,
    );
    return matching.at(-1)?.allow ?? false;
  });
}

const few = fc.integer({ min: 0, max: 3 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const rule = fc
  .record({
    allow: fc.boolean(),
    type: maybe(fc.constantFrom("b" as const, "c" as const)),
    major: maybe(few),
    minor: maybe(few),
    access: fc.integer({ min: 1, max: 7 }),
  })
  .map(({ type, major, minor, ...rest }): DeviceRule => {
    const numbers = { major, minor };
    return { ...rest, type, ...numbers };
  });
const use: fc.Arbitrary<Use> = fc.record({
  type: fc.constantFrom(1, 2),
  major: few,
  minor: few,
  access: fc.integer({ min: 1, max: 7 }),
});

test("the program decides as the rules do, for any rules", () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), fc.array(use, { minLength: 1, maxLength: 20 }), (rules, uses) => {
      const program = deviceFilter(rules);
      for (const one of uses) expect(run(program, one), JSON.stringify(one)).toBe(mayUse(rules, one) ? 1 : 0);
      if (allowsAll(rules)) expect(uses.every((one) => mayUse(rules, one))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

/** Disassembles to one line for each instruction, roughly in the kernel's format. */
function listing(code: Uint8Array): string[] {
  const view = new DataView(code.buffer);
  return Array.from({ length: code.length / 8 }, (_, at) => {
    const registers = view.getUint8(at * 8 + 1);
    const to = registers & 15;
    const [offset, value] = [view.getInt16(at * 8 + 2, true), view.getInt32(at * 8 + 4, true)];
    const words: Record<number, string> = {
      97: `r${to} = *(u32 *)(r${registers >> 4} +${offset})`,
      105: `r${to} = *(u16 *)(r${registers >> 4} +${offset})`,
      183: `r${to} = ${value}`,
      87: `r${to} &= ${value}`,
      119: `r${to} >>= ${value}`,
      5: `goto +${offset}`,
      85: `if r${to} != ${value} goto +${offset}`,
      69: `if r${to} & ${value} goto +${offset}`,
      149: "exit",
    };
    return words[view.getUint8(at * 8)] ?? "?";
  });
}

const head = ["r3 = *(u32 *)(r1 +0)", "r3 >>= 16"];
const when = (part: "type" | "major" | "minor", value: number, otherwise: number) => {
  const load = { type: "r2 = *(u16 *)(r1 +0)", major: "r2 = *(u32 *)(r1 +4)", minor: "r2 = *(u32 *)(r1 +8)" };
  return [load[part], `if r2 != ${value} goto +${otherwise}`];
};

describe("the compiled program", () => {
  test("denies everything without rules", () => {
    expect(listing(deviceFilter([]))).toEqual([...head, "r0 = 0", "exit"]);
  });

  test("tests the device and the access bits of each rule", () => {
    const rules: DeviceRule[] = [
      { allow: true, type: "b", major: 8, access: 2 },
      { allow: false, type: "c", minor: 9, access: 6 },
      { allow: true, type: "c", major: 1, minor: 3, access: 7 },
    ];
    expect(listing(deviceFilter(rules))).toEqual([
      ...head,
      ...[...when("type", 2, 6), ...when("major", 1, 4), ...when("minor", 3, 2), "r0 = 1", "exit"],
      ...[...when("type", 2, 6), ...when("minor", 9, 4), "if r3 & 6 goto +1", "goto +2", "r0 = 0", "exit"],
      ...[...when("type", 1, 6), ...when("major", 8, 4), "r3 &= 5", "if r3 != 0 goto +2", "r0 = 1", "exit"],
      ...["r0 = 0", "exit"],
    ]);
  });

  test("ends with a rule for all devices, because later instructions would be unreachable", () => {
    const rules: DeviceRule[] = [
      { allow: true, type: "b", major: 8, access: 2 },
      { allow: false, access: 7 },
    ];
    expect(listing(deviceFilter(rules))).toEqual([...head, "r0 = 0", "exit"]);
  });
});

describe("the rules of a container", () => {
  const may = (parts: Partial<Parameters<typeof deviceRules>[0]>, kind: "b" | "c", numbers: string, access = 6) => {
    const [major = 0, minor = 0] = numbers.split(":").map(Number);
    const rules = deviceRules({ devices: [], resources: {}, ...parts });
    return run(deviceFilter(rules), { type: kind === "b" ? 1 : 2, major, minor, access }) === 1;
  };
  const device = { path: "/dev/x", type: "b", major: 8, minor: 1, mode: 0o600, uid: 0, gid: 0 };
  const denyAll = { allow: false, type: "a", access: "rwm" };

  test("allow the default devices, mknod of any device, and nothing else", () => {
    for (const numbers of ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:2", "136:0", "136:77", "10:200"]) {
      expect(may({}, "c", numbers, 7), numbers).toBe(true);
    }
    expect([may({}, "c", "1:1"), may({}, "b", "8:1"), may({}, "c", "10:229")]).toEqual([false, false, false]);
    expect([may({}, "c", "1:1", 1), may({}, "b", "8:1", 1), may({}, "b", "8:1", 3)]).toEqual([true, true, false]);
  });

  test("allow the nodes of linux.devices, unless the rules of the spec narrow them", () => {
    expect([may({ devices: [device] }, "b", "8:1"), may({ devices: [device] }, "b", "8:2")]).toEqual([true, false]);
    const readOnly = { allow: true, type: "b", major: 8, minor: 1, access: "r" };
    const narrowed = { devices: [device], resources: { devices: [denyAll, readOnly] } };
    expect([may(narrowed, "b", "8:1", 2), may(narrowed, "b", "8:1", 6)]).toEqual([true, false]);
    const { minor: _, ...allMinors } = { ...readOnly, allow: false };
    const denied = { devices: [device], resources: { devices: [allMinors] } };
    expect([may(denied, "b", "8:1", 2), may(denied, "b", "8:1", 4)]).toEqual([false, true]);
    expect(allowsAll(deviceRules({ devices: [{ ...device, type: "p" }], resources: {} }))).toBe(false);
  });

  test("still allow the default devices and the nodes of linux.devices after a rule that denies all", () => {
    const others = { allow: true, type: "c", major: 10, minor: 77, access: "rwm" };
    const denied = { devices: [device], resources: { devices: [denyAll, others] } };
    expect([may(denied, "c", "1:3", 7), may(denied, "b", "8:1", 7), may(denied, "c", "8:1")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(may({ devices: [{ ...device, type: "u" }], resources: { devices: [denyAll] } }, "c", "8:1")).toBe(true);
  });

  test("`a` with rwm allows everything, and needs no filter", () => {
    const all = { resources: { devices: [denyAll, { allow: true, type: "a", access: "mrw" }] } };
    expect([may(all, "b", "8:1", 7), allowsAll(deviceRules({ devices: [], ...all }))]).toEqual([true, true]);
    const but = { resources: { devices: [...all.resources.devices, { allow: false, type: "b", access: "w" }] } };
    expect([may(but, "b", "8:1", 4), may(but, "b", "8:1", 2)]).toEqual([false, true]);
    expect(allowsAll(deviceRules({ devices: [], ...but }))).toBe(false);
  });

  test.each([
    [{ allow: true, type: "x", access: "r" }, 'devices[1] type "x" is not one of a, b, c'],
    [{ allow: true, type: "c", access: "rq" }, 'devices[1] access "rq" has letters other than r, w, m'],
    [{ allow: true, type: "c", major: 2 ** 31, access: "r" }, "devices[1] 2147483648 is not a device number"],
    [{ allow: true, type: "c", minor: -2, access: "r" }, "devices[1] -2 is not a device number"],
  ])("name an invalid rule: %j", (bad, why) => {
    expect(() => deviceRules({ devices: [], resources: { devices: [denyAll, bad] } })).toThrow(why);
  });
});
