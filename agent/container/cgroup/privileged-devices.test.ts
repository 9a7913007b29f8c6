import { expect, test } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { allowsAll, deviceRules } from "./device-rules.ts";
import { withPrivilegedDevices } from "./privileged-devices.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

function specOf(bounding: readonly string[], parts: object = {}) {
  const { process, linux } = testSpec();
  const sets = { bounding, effective: [], inheritable: [], permitted: [], ambient: [] };
  return testSpec({ process: { ...process, capabilities: sets }, linux: { ...linux, ...parts } });
}
const mayUseAll = (spec: ReturnType<typeof specOf>) => allowsAll(deviceRules(withPrivilegedDevices(spec).linux));

test("a privileged container without rules may use every device, with either host's capability name", () => {
  expect([mayUseAll(specOf(["CAP_SYS_ADMIN"])), mayUseAll(specOf(["KILL", "SYS_ADMIN"]))]).toEqual([true, true]);
});

test("a container without the capability, with rules or with a user namespace keeps its spec's rules", () => {
  const denyAll: DeviceCgroupSpec = { allow: false, type: "a", access: "rwm" };
  const user = [...testSpec().linux.namespaces, { type: "user", path: "" }];
  const { process: _, ...others } = testSpec();
  const { capabilities: __, ...process } = testSpec().process;
  for (const spec of [
    specOf(["CAP_MKNOD", "CAP_NET_ADMIN"]),
    specOf(["CAP_SYS_ADMIN"], { resources: { devices: [denyAll] } }),
    specOf(["CAP_SYS_ADMIN"], { namespaces: user }),
    { ...others, process },
  ]) {
    expect(withPrivilegedDevices(spec)).toBe(spec);
    expect(mayUseAll(spec)).toBe(false);
  }
});
