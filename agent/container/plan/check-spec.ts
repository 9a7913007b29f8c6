import { resourceWrites } from "../cgroup/cgroup-resources.ts";
import { deviceRules } from "../cgroup/device-rules.ts";
import { checkHooks } from "../hooks/hooks.ts";
import { checkMounts } from "../mounts/check-mounts.ts";
import { checkNamespaces } from "../namespaces/check-namespaces.ts";
import { checkSysctls } from "../namespaces/sysctl.ts";
import { checkProcess } from "../process/check-process.ts";
import { personaOf } from "../process/personality.ts";
import { refuse, refuseNul } from "../refuse.ts";
import type { Spec } from "../spec.ts";
import { checkDevices } from "./compile-devices.ts";

/** Throws a one-line error that names the first field that is invalid or unsupported. */
export function checkSpec(spec: Spec): void {
  const [first] = spec.unsupported;
  if (first !== undefined) throw refuse(first, "is not supported");
  refuseNul("root.path", [spec.root.path]);
  refuseNul("hostname", [spec.hostname]);
  refuseNul("domainname", [spec.domainname]);
  refuseNul("linux.maskedPaths", spec.linux.maskedPaths);
  refuseNul("linux.readonlyPaths", spec.linux.readonlyPaths);
  refuseNul(
    "linux.namespaces",
    spec.linux.namespaces.map(({ path }) => path),
  );
  if (!spec.root.path.startsWith("/")) throw refuse("root.path", `"${spec.root.path}" is not an absolute path`);
  checkNamespaces(spec);
  checkMounts(spec);
  checkDevices(spec.linux.devices);
  resourceWrites(spec.linux.resources);
  deviceRules(spec.linux);
  checkSysctls(spec.linux);
  personaOf(spec.linux.personality);
  refuseNul("linux.mountLabel", [spec.linux.mountLabel ?? ""]);
  checkHooks(spec.hooks);
  checkProcess(spec.process);
}
