import { nodeRules } from "../cgroup/device-rules.ts";
import type { Spec } from "../spec.ts";

/**
 * Returns the spec with the device rules for a runtime. The cgroup already has guestd's filter. A runtime that creates
 * no filter by default (`ownFilter` is false) gets no rules. Any other gets guestd's rules: deny everything, then the
 * spec's rules and the nodes of linux.devices; the runtime itself adds the default devices.
 */
export function withDeviceRules(spec: Spec, ownFilter: boolean): Spec {
  const { devices: given = [], ...others } = spec.linux.resources;
  if (!ownFilter) return { ...spec, linux: { ...spec.linux, resources: others } };
  const { before, after } = nodeRules(spec.linux);
  const devices = [{ allow: false, type: "a", access: "rwm" }, ...before, ...given, ...after];
  return { ...spec, linux: { ...spec.linux, resources: { ...others, devices } } };
}
