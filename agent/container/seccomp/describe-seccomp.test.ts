import { describe, expect, it } from "vitest";
import { describeSeccomp } from "./describe-seccomp.ts";
import type { SeccompRule, SeccompSpec } from "./seccomp-spec.ts";

const base: SeccompSpec = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] };
const rule: SeccompRule = { names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [] };
const argument = { index: 0, value: "1", valueTwo: "0", op: "SCMP_CMP_EQ" };
const text = (parts: Partial<SeccompSpec>) => describeSeccomp({ ...base, ...parts }).text;
const rules = (...syscalls: SeccompRule[]) => text({ syscalls });

describe("the description of a filter", () => {
  it("has the default action, the architectures, and a line for each call", () => {
    const { text: lines, fields } = describeSeccomp({
      ...base,
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_MIPS64N32"],
      syscalls: [{ ...rule, names: ["read", "write"], action: "SCMP_ACT_ALLOW" }],
    });
    expect(lines).toBe("default 50026\narch x86_64\narch mips64n32\nrule 7fff0000 read\nrule 7fff0000 write\n");
    expect(fields).toEqual([
      "linux.seccomp.defaultAction",
      'linux.seccomp.architectures "SCMP_ARCH_X86_64"',
      'linux.seccomp.architectures "SCMP_ARCH_MIPS64N32"',
      'linux.seccomp.syscalls[0] "read"',
      'linux.seccomp.syscalls[0] "write"',
    ]);
  });

  it.each([
    ["SCMP_ACT_KILL", "0"],
    ["SCMP_ACT_KILL_THREAD", "0"],
    ["SCMP_ACT_KILL_PROCESS", "80000000"],
    ["SCMP_ACT_TRAP", "30000"],
    ["SCMP_ACT_ERRNO", "50001"],
    ["SCMP_ACT_TRACE", "7ff00001"],
    ["SCMP_ACT_LOG", "7ffc0000"],
  ])("has %s as %s, with EPERM where an errno goes", (action, code) => {
    expect(rules({ ...rule, action })).toBe(`default 7fff0000\nrule ${code} mkdir\n`);
  });

  it("has no rule that does what is done anyway, nor a name that no call can have", () => {
    expect(rules({ ...rule, action: "SCMP_ACT_ALLOW" })).toBe("default 7fff0000\n");
    expect(rules({ ...rule, names: ["a b", "a\nrule 0 read", "", "x".repeat(64)] })).toBe("default 7fff0000\n");
  });

  it("puts conditions on several arguments in one rule, on one argument in several", () => {
    const second = { ...argument, index: 1, value: "18446744073709551615", valueTwo: "3", op: "SCMP_CMP_MASKED_EQ" };
    expect(rules({ ...rule, args: [argument, second] })).toMatch(
      /rule 50001 mkdir 0 4 1 0 1 7 18446744073709551615 3\n$/,
    );
    const again = { ...argument, op: "SCMP_CMP_NE" };
    expect(rules({ ...rule, args: [argument, again] })).toMatch(
      /\nrule 50001 mkdir 0 4 1 0\nrule 50001 mkdir 0 1 1 0\n$/,
    );
  });

  it.each<[string, Partial<SeccompSpec>]>([
    ["defaultAction", { defaultAction: "" }],
    ["defaultAction", { defaultErrnoRet: 1 }],
    ['defaultAction "SCMP_ACT_NOTIFY"', { defaultAction: "SCMP_ACT_NOTIFY" }],
    ['architectures "x86"', { architectures: ["x86"] }],
    ["syscalls[0].names", { syscalls: [{ ...rule, names: [] }] }],
    ["syscalls[0].action", { syscalls: [{ ...rule, action: "SCMP_ACT_LOG", errnoRet: 2 }] }],
    ["syscalls[0].action", { syscalls: [{ ...rule, errnoRet: 65_536 }] }],
    ["syscalls[1].args[0].op", { syscalls: [rule, { ...rule, args: [{ ...argument, op: "EQ" }] }] }],
    ["syscalls[0].args[0].index", { syscalls: [{ ...rule, args: [{ ...argument, index: 6 }] }] }],
    ["syscalls[0].args[0]", { syscalls: [{ ...rule, args: [{ ...argument, value: "18446744073709551616" }] }] }],
    ["syscalls[0].args[0]", { syscalls: [{ ...rule, args: [{ ...argument, valueTwo: "-1" }] }] }],
  ])("is refused for a wrong %s", (field, parts) => {
    expect(() => text(parts)).toThrow(`OCI spec: linux.seccomp.${field} `);
  });
});
