import type { DeviceCgroupSpec } from "../cgroup/resources-spec.ts";
import type { Spec } from "../spec.ts";

/**
 * The spec with the device rules for a runtime. The cgroup has guestd's filter already; a runtime that makes none unless
 * it is told (`ownFilter` is false) gets no rules. The other gets those that guestd goes by: nothing is allowed, then the
 * nodes of linux.devices, then what the spec says; what every container may use it adds itself.
 */
export function withDeviceRules(spec: Spec, ownFilter: boolean): Spec {
  const { devices: given = [], ...others } = spec.linux.resources;
  if (!ownFilter) return { ...spec, linux: { ...spec.linux, resources: others } };
  const nodes = spec.linux.devices.flatMap(({ type, major, minor }): DeviceCgroupSpec[] =>
    type === "p" ? [] : [{ allow: true, type: type === "b" ? "b" : "c", major, minor, access: "rwm" }],
  );
  const devices = [{ allow: false, type: "a", access: "rwm" }, ...nodes, ...given];
  return { ...spec, linux: { ...spec.linux, resources: { ...others, devices } } };
}
