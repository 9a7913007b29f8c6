import { describe, expect, it } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { defaultSeccomp, withDefaultSeccomp } from "./default-seccomp.ts";
import { seccompFilter } from "./seccomp-filter.ts";

const denied = (...capabilities: string[]) => defaultSeccomp(capabilities).syscalls.flatMap(({ names }) => names);

describe("the default seccomp filter", () => {
  it("is added to a spec without a filter only", () => {
    const { seccomp } = withDefaultSeccomp(testSpec()).linux;
    expect(seccomp).toBe(defaultSeccomp(["CHOWN", "KILL"]));
    const own = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] };
    const spec = testSpec({ linux: { ...testSpec().linux, seccomp: own } });
    expect(withDefaultSeccomp(spec)).toBe(spec);
  });

  it("allows calls to holders of the right capability, and denies the rest to everyone", () => {
    expect(denied()).toEqual(expect.arrayContaining(["mount", "bpf", "reboot", "keyctl", "socket", "clone3"]));
    expect(denied("CAP_SYS_ADMIN")).not.toEqual(expect.arrayContaining(["mount"]));
    expect(denied("CAP_SYS_ADMIN")).toEqual(expect.arrayContaining(["reboot", "keyctl", "socket", "io_uring_setup"]));
    expect(denied("SYS_BOOT")).not.toContain("reboot");
    expect(denied("BPF")).not.toContain("bpf");
  });

  it("compiles with any capabilities", () => {
    for (const capabilities of [[], ["SYS_ADMIN"], ["SYS_ADMIN", "SYS_BOOT", "SYS_TIME", "SYS_NICE"]]) {
      const { program } = seccompFilter(defaultSeccomp(capabilities));
      expect(program.length).toBeGreaterThan(50);
      expect(program.length).toBeLessThan(4096);
    }
  });
});
