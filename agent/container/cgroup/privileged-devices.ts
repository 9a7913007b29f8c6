import { sortNamespaces } from "../namespaces/namespaces.ts";
import { capabilityMask } from "../process/capabilities.ts";
import type { Spec } from "../spec.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

const SYS_ADMIN = capabilityMask(["SYS_ADMIN"]);
const ALLOW_ALL: DeviceCgroupSpec = { allow: true, type: "a", access: "rwm" };

/**
 * The spec with the rule that a privileged container brings, as hosts send none of their rules at a creation. Privileged
 * is who may have CAP_SYS_ADMIN in the guest's own user namespace.
 */
export function withPrivilegedDevices(spec: Spec): Spec {
  const { process, linux } = spec;
  const { devices = [] } = linux.resources;
  const bounding = capabilityMask(process.capabilities?.bounding ?? []);
  if (devices.length > 0 || (bounding & SYS_ADMIN) === 0n) return spec;
  if (sortNamespaces(linux.namespaces).user !== undefined) return spec;
  return { ...spec, linux: { ...linux, resources: { ...linux.resources, devices: [ALLOW_ALL] } } };
}
