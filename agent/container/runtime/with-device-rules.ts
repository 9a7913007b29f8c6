import { nodeRules } from "../cgroup/device-rules.ts";
import type { Spec } from "../spec.ts";

/**
 * The spec with the device rules for a runtime. The cgroup has guestd's filter already; a runtime that makes none unless
 * it is told (`ownFilter` is false) gets no rules. The other gets those that guestd goes by: nothing is allowed, then what
 * the spec says, with the nodes of linux.devices; what every container may use it adds itself.
 */
export function withDeviceRules(spec: Spec, ownFilter: boolean): Spec {
  const { devices: given = [], ...others } = spec.linux.resources;
  if (!ownFilter) return { ...spec, linux: { ...spec.linux, resources: others } };
  const { before, after } = nodeRules(spec.linux);
  const devices = [{ allow: false, type: "a", access: "rwm" }, ...before, ...given, ...after];
  return { ...spec, linux: { ...spec.linux, resources: { ...others, devices } } };
}
