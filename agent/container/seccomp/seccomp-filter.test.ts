import { describe, expect, it } from "vitest";
import { compileCreate } from "../plan/compile-create.ts";
import { compileExec } from "../plan/compile-exec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { seccompFilter } from "./seccomp-filter.ts";
import type { SeccompSpec } from "./seccomp-spec.ts";

const spec: SeccompSpec = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [{ names: ["umask"], action: "SCMP_ACT_ERRNO", args: [] }],
};

describe("a seccomp filter", () => {
  it("is compiled once for equal content", () => {
    const first = seccompFilter(spec);
    expect(first.program.length).toBeGreaterThan(3);
    expect(seccompFilter(spec)).toBe(first);
    const same = seccompFilter({ ...structuredClone(spec), flags: ["SECCOMP_FILTER_FLAG_LOG"] });
    expect(same.program).toBe(first.program);
    expect(seccompFilter({ ...spec, syscalls: [] }).program).not.toEqual(first.program);
  });

  it("is compiled again once sixteen others were", () => {
    const numbered = (errnoRet: number): SeccompSpec => ({
      ...spec,
      syscalls: [{ names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet, args: [] }],
    });
    const first = seccompFilter(numbered(100)).program;
    for (let number = 101; number <= 115; number++) seccompFilter(numbered(number));
    expect(seccompFilter(numbered(100)).program).toBe(first);
    seccompFilter(numbered(116));
    const again = seccompFilter(numbered(100)).program;
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });

  it("has SPEC_ALLOW unless flags are given", () => {
    const flags = (...names: string[]) =>
      seccompFilter({ ...spec, flags: names.map((name) => `SECCOMP_FILTER_FLAG_${name}`) }).flags;
    expect(flags()).toBe(4);
    expect(flags("LOG")).toBe(2);
    expect(flags("TSYNC", "WAIT_KILLABLE_RECV")).toBe(0);
    expect(() => flags("NEW_LISTENER")).toThrow('OCI spec: linux.seccomp.flags "SECCOMP_FILTER_FLAG_NEW_LISTENER" ');
  });

  it("that libseccomp rejects is reported by its field", () => {
    expect(() => seccompFilter({ ...spec, architectures: ["SCMP_ARCH_S390X"] })).toThrow(
      'OCI spec: linux.seccomp.architectures "SCMP_ARCH_S390X" is rejected by libseccomp: EDOM',
    );
  });

  it.each([true, false])("is installed at the right step of a plan; no new privileges: %s", (noNewPrivileges) => {
    const process = { ...testSpec().process, noNewPrivileges };
    const context = { env: ["PATH=/bin"], hasLabel: () => false, seccomp: seccompFilter(spec), namespaces: [] };
    const create = compileCreate(testSpec({ process }), context);
    for (const { steps } of [create, compileExec(process, context)]) {
      const names = steps.map(({ op }) => op.op);
      const at = names.indexOf("seccomp");
      expect(names[at + 1]).toBe(noNewPrivileges ? "exec" : "user");
    }
  });
});
