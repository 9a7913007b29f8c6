import { resourceWrites } from "./cgroup-resources.ts";
import { checkMounts } from "./check-mounts.ts";
import { checkNamespaces } from "./check-namespaces.ts";
import { checkProcess } from "./check-process.ts";
import { checkDevices } from "./compile-devices.ts";
import { deviceRules } from "./device-rules.ts";
import { checkHooks } from "./hooks.ts";
import { personaOf } from "./personality.ts";
import { refuse, refuseNul } from "./refuse.ts";
import type { Spec } from "./spec.ts";
import { checkSysctls } from "./sysctl.ts";

/** Throws one line that names the first field which is wrong or which the launch plan can't carry. */
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
