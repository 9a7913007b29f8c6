import { describe, expect, it } from "vitest";
import { compileCreate } from "../plan/compile-create.ts";
import { compileExec } from "../plan/compile-exec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { processWarnings } from "./check-process.ts";
import { securityModules } from "./security-labels.ts";

const { process, linux } = testSpec();
const env = ["PATH=/bin"];
const context = (hasLabel: boolean) => ({ env, namespaces: [], hasLabel: () => hasLabel });
const labelled = { ...process, apparmorProfile: "profile", selinuxLabel: "u:r:t:s0" };

describe("labels of security modules", () => {
  it("are written while /proc is still the guest's, by a create and an exec", () => {
    for (const plan of [
      compileCreate(testSpec({ process: labelled }), context(true)),
      compileExec(labelled, context(true)),
    ]) {
      const writes = plan.steps.filter(({ op }) => op.op === "write").map(({ op, reason }) => ({ ...op, reason }));
      expect(writes.slice(1)).toEqual([
        { op: "write", reason: "process.apparmorProfile", path: "/proc/self/attr/apparmor/exec", data: "exec profile" },
        { op: "write", reason: "process.selinuxLabel", path: "/proc/self/attr/exec", data: "u:r:t:s0" },
      ]);
      const names = plan.steps.map(({ op }) => op.op);
      expect(names.lastIndexOf("write")).toBeLessThan(names.indexOf("setns"));
    }
  });

  it("of AppArmor are ignored without it, with a warning", () => {
    const plan = compileExec({ ...process, apparmorProfile: "profile" }, context(false));
    expect(plan.steps.filter(({ reason }) => reason === "process.apparmorProfile")).toEqual([]);
    expect(processWarnings(labelled, () => false)).toEqual([
      'OCI spec: process.apparmorProfile "profile" is ignored: it is not loaded in this guest',
    ]);
    expect(processWarnings(labelled, () => true)).toEqual([]);
  });

  it("of SELinux are refused without it", () => {
    const label = "u:r:t:s0";
    expect(() => compileExec({ ...process, selinuxLabel: label }, context(false))).toThrow(
      `OCI spec: process.selinuxLabel "${label}" needs SELinux with a policy, which this guest doesn't have`,
    );
    const spec = testSpec({ linux: { ...linux, mountLabel: label } });
    expect(() => compileCreate(spec, context(false))).toThrow(`OCI spec: linux.mountLabel "${label}" needs SELinux`);
  });

  it("for mounts are the context of new file systems, except the kernel's own", () => {
    const plan = compileCreate(testSpec({ linux: { ...linux, mountLabel: "u:r:t:s0" } }), context(true));
    const given = plan.steps.filter(({ op }) => op.op === "fsconfig" && op.key === "context");
    // proc has no context, a bind mount creates no file system, and the agent mounts devpts.
    expect(given.map(({ reason }) => reason)).toEqual(["mounts[1]"]);
  });

  it("of AppArmor are supported if they are loaded in this guest", () => {
    const files = (...there: string[]) => ({
      exists: (path: string) => there.some((part) => path.includes(part)),
      readText: () => "docker-default (enforce)\nname with spaces (complain)\n",
    });
    const has = (label: string) => securityModules(files("apparmor"))("apparmor", label);
    expect(["docker-default", "name with spaces", "unconfined"].map(has)).toEqual([true, true, true]);
    expect(["docker", "docker-default (enforce)", "name"].map(has)).toEqual([false, false, false]);
    expect(securityModules(files())("apparmor", "unconfined")).toBe(false);
  });

  it.each([
    ["with a policy", true, "system_u:system_r:kernel_t\0", true],
    ["without a policy", true, "kernel\0", false],
    ["off, where AppArmor answers", false, "unconfined\n", false],
    ["off, where names of profiles have colons", false, "a:b (enforce)\n", false],
  ])("of SELinux are supported only if it has a policy: %s", (_, there, label, has) => {
    expect(securityModules({ exists: () => there, readText: () => label })("selinux", "x")).toBe(has);
  });
});
