import { capabilityMask } from "../../kernel/capabilities.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import type { Spec } from "../spec.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

const SYS_ADMIN = capabilityMask(["SYS_ADMIN"]);
const ALLOW_ALL: DeviceCgroupSpec = { allow: true, type: "a", access: "rwm" };

/**
 * Adds the rule that allows all devices to the spec of a privileged container without rules, because hosts send no
 * device rules at creation. A container is privileged if it may have CAP_SYS_ADMIN in the guest's own user namespace.
 */
export function withPrivilegedDevices(spec: Spec): Spec {
  const { process, linux } = spec;
  const { devices = [] } = linux.resources;
  const bounding = capabilityMask(process.capabilities?.bounding ?? []);
  if (devices.length > 0 || (bounding & SYS_ADMIN) === 0n) return spec;
  if (sortNamespaces(linux.namespaces).user !== undefined) return spec;
  return { ...spec, linux: { ...linux, resources: { ...linux.resources, devices: [ALLOW_ALL] } } };
}
