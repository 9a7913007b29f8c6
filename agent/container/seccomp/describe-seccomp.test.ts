import { describe, expect, it } from "vitest";
import { describeSeccomp } from "./describe-seccomp.ts";
import type { SeccompRule, SeccompSpec } from "./seccomp-spec.ts";

const base: SeccompSpec = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] };
const rule: SeccompRule = { names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [] };
const argument = { index: 0, value: "1", valueTwo: "0", op: "SCMP_CMP_EQ" };
const filter = (parts: Partial<SeccompSpec>) => describeSeccomp({ ...base, ...parts }).filter;
const rules = (...syscalls: SeccompRule[]) => filter({ syscalls }).rules;

describe("the description of a filter", () => {
  it("contains the default action, the architectures, and a rule for each system call", () => {
    const described = describeSeccomp({
      ...base,
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_MIPS64N32"],
      syscalls: [{ ...rule, names: ["read", "write"], action: "SCMP_ACT_ALLOW" }],
    });
    const allow = { action: 0x7fff0000, conditions: [] };
    expect(described.filter).toEqual({
      defaultAction: 0x50026,
      architectures: ["x86_64", "mips64n32"],
      rules: [
        { name: "read", ...allow },
        { name: "write", ...allow },
      ],
    });
    expect(described.fields).toEqual([
      "linux.seccomp.defaultAction",
      'linux.seccomp.architectures "SCMP_ARCH_X86_64"',
      'linux.seccomp.architectures "SCMP_ARCH_MIPS64N32"',
      'linux.seccomp.syscalls[0] "read"',
      'linux.seccomp.syscalls[0] "write"',
    ]);
  });

  it.each([
    ["SCMP_ACT_KILL", 0],
    ["SCMP_ACT_KILL_THREAD", 0],
    ["SCMP_ACT_KILL_PROCESS", 0x80000000],
    ["SCMP_ACT_TRAP", 0x30000],
    ["SCMP_ACT_ERRNO", 0x50001],
    ["SCMP_ACT_TRACE", 0x7ff00001],
    ["SCMP_ACT_LOG", 0x7ffc0000],
  ])("translates %s to %i, with EPERM as the default errno", (action, code) => {
    expect(rules({ ...rule, action })).toEqual([{ action: code, name: "mkdir", conditions: [] }]);
  });

  it("omits rules with the default action, and names that no system call can have", () => {
    expect(rules({ ...rule, action: "SCMP_ACT_ALLOW" })).toEqual([]);
    expect(rules({ ...rule, names: ["a b", "a\nread", "", "x".repeat(64)] })).toEqual([]);
  });

  it("puts conditions on different arguments into one rule, and those on the same argument into several", () => {
    const second = { ...argument, index: 1, value: "18446744073709551615", valueTwo: "3", op: "SCMP_CMP_MASKED_EQ" };
    const [equal, masked, unequal] = [
      { argument: 0, operator: 4, values: [1n, 0n] },
      { argument: 1, operator: 7, values: [2n ** 64n - 1n, 3n] },
      { argument: 0, operator: 1, values: [1n, 0n] },
    ];
    const conditions = (args: SeccompRule["args"]) => rules({ ...rule, args }).map((each) => each.conditions);
    expect(conditions([argument, second])).toEqual([[equal, masked]]);
    expect(conditions([argument, { ...argument, op: "SCMP_CMP_NE" }])).toEqual([[equal], [unequal]]);
    expect(conditions([argument, argument])).toEqual([[equal]]);
  });

  it.each<[string, Partial<SeccompSpec>]>([
    ['defaultAction "" is not a seccomp action', { defaultAction: "" }],
    ['defaultAction "SCMP_ACT_ALLOW" takes no errno, but 1 was given', { defaultErrnoRet: 1 }],
    ['defaultAction "SCMP_ACT_NOTIFY" is not supported: it needs a listener', { defaultAction: "SCMP_ACT_NOTIFY" }],
    ...["x86", "NO_SCMP_ARCH_X86", "SCMP_ARCH_", "SCMP_ARCH_X86 ", `SCMP_ARCH_${"X".repeat(41)}`].map(
      (name): [string, Partial<SeccompSpec>] => [
        `architectures "${name}" is not an architecture of libseccomp`,
        { architectures: [name] },
      ],
    ),
    ["syscalls[0].names is empty", { syscalls: [{ ...rule, names: [] }] }],
    [
      'syscalls[0].action "SCMP_ACT_LOG" takes no errno, but 2 was given',
      { syscalls: [{ ...rule, action: "SCMP_ACT_LOG", errnoRet: 2 }] },
    ],
    ["syscalls[0].action has the errno 65536, above 65535", { syscalls: [{ ...rule, errnoRet: 65_536 }] }],
    [
      'syscalls[1].args[1].op "EQ" is not a seccomp operator',
      { syscalls: [rule, { ...rule, args: [argument, { ...argument, op: "EQ" }] }] },
    ],
    ...[6, -1, 0.5].map((index): [string, Partial<SeccompSpec>] => [
      `syscalls[0].args[0].index ${index} is outside 0..5`,
      { syscalls: [{ ...rule, args: [{ ...argument, index }] }] },
    ]),
    ...["18446744073709551616", "1".repeat(21), "-1", "", "0x1", "1 "].flatMap((text) =>
      (["value", "valueTwo"] as const).map((name): [string, Partial<SeccompSpec>] => [
        `syscalls[0].args[0] ${text} is not a 64-bit number`,
        { syscalls: [{ ...rule, args: [{ ...argument, [name]: text }] }] },
      ]),
    ),
  ])("is refused with the line: %s", (line, parts) => {
    const message = `OCI spec: linux.seccomp.${line}`;
    expect(() => filter(parts)).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
  });

  it("accepts the limits of its fields", () => {
    const args = [{ ...argument, index: 5, value: "18446744073709551615", valueTwo: "00000000000000000001" }];
    const [described] = rules({ ...rule, names: ["x".repeat(63)], errnoRet: 65_535, args });
    expect(described).toEqual({
      action: 0x5ffff,
      name: "x".repeat(63),
      conditions: [{ argument: 5, operator: 4, values: [2n ** 64n - 1n, 1n] }],
    });
    const architectures = [`SCMP_ARCH_${"X".repeat(40)}`];
    expect(filter({ architectures }).architectures).toEqual(["x".repeat(40)]);
    expect(rules({ ...rule, errnoRet: 0 })).toMatchObject([{ action: 0x50000 }]);
  });

  it.each([
    ["NE", 1],
    ["LT", 2],
    ["LE", 3],
    ["EQ", 4],
    ["GE", 5],
    ["GT", 6],
    ["MASKED_EQ", 7],
  ])("gives the operator SCMP_CMP_%s the number %i", (name, operator) => {
    const args = [{ ...argument, op: `SCMP_CMP_${name}` }];
    expect(rules({ ...rule, args })).toMatchObject([{ conditions: [{ operator }] }]);
  });

  it("repeats a rule only if its action, name or conditions differ", () => {
    const others = [{ action: "SCMP_ACT_LOG" }, { names: ["rmdir"] }, { args: [argument] }];
    const all = [{}, ...others, {}, ...others].map((parts) => ({ ...rule, ...parts }));
    expect(rules(...all)).toHaveLength(4);
    const values = ["1", "2"].flatMap((value) => ["0", "1"].map((valueTwo) => ({ ...argument, value, valueTwo })));
    expect(rules(...values.map((one) => ({ ...rule, args: [one] })))).toHaveLength(4);
  });
});

it("a filter has at most 4096 conditions for all its architectures", () => {
  const names = Array.from({ length: 2049 }, (_, number) => `call${number}`);
  const conditional = (count: number, architectures: string[]) =>
    filter({ architectures, syscalls: [{ ...rule, names: names.slice(0, count), args: [argument] }] });
  const two = ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
  expect(conditional(2048, two).rules).toHaveLength(2048);
  expect(() => conditional(2049, two)).toThrow(
    "OCI spec: linux.seccomp.syscalls[0] exceeds the limit of 4096 conditions for all rules and architectures",
  );
  expect(conditional(2049, []).rules).toHaveLength(2049);
});
