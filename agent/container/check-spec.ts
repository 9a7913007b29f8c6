import { resourceWrites } from "./cgroup-resources.ts";
import { checkProcess } from "./check-process.ts";
import { checkDevices } from "./compile-devices.ts";
import { deviceRules } from "./device-rules.ts";
import { checkHooks } from "./hooks.ts";
import { parseMountOptions } from "./mount-options.ts";
import { sortNamespaces } from "./namespaces.ts";
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
  const { refused, create, join } = sortNamespaces(spec.linux.namespaces);
  if (refused[0] !== undefined) throw refuse("linux.namespaces", `"${refused[0]}" is not supported`);
  const hasUts = spec.linux.namespaces.some((n) => n.type === "uts");
  if (spec.hostname !== "" && !hasUts) throw refuse("hostname", "needs a uts namespace");
  if (spec.domainname !== "" && !hasUts) throw refuse("domainname", "needs a uts namespace");
  if (!spec.linux.namespaces.some((n) => n.type === "mount" || n.type === "mnt")) {
    throw refuse("linux.namespaces", "has no mount namespace; a container needs one");
  }
  if (new Set(join.map((j) => j.flag)).size !== join.length || join.some((j) => (create & j.flag) !== 0)) {
    throw refuse("linux.namespaces", "names one type twice");
  }
  for (const [index, mount] of spec.mounts.entries()) {
    const field = `mounts[${index}] (${mount.destination})`;
    if (mount.destination === "") throw refuse(field, "has no destination");
    refuseNul(field, [mount.destination, mount.source, mount.type, ...mount.options]);
    const { unsupported, bind, data } = parseMountOptions(mount.options);
    if (unsupported[0] !== undefined) throw refuse(`${field} option "${unsupported[0]}"`, "is not supported");
    if (bind || mount.type === "bind") {
      if (!mount.source.startsWith("/")) throw refuse(field, `bind source "${mount.source}" is not an absolute path`);
      if (data[0] !== undefined) throw refuse(`${field} option "${data[0].join("=")}"`, "is not one of a bind mount");
    }
    if (mount.type === "cgroup" && bind) throw refuse(field, "cgroup with bind is not supported");
  }
  checkDevices(spec.linux.devices);
  resourceWrites(spec.linux.resources);
  deviceRules(spec.linux);
  checkSysctls(spec.linux);
  personaOf(spec.linux.personality);
  refuseNul("linux.mountLabel", [spec.linux.mountLabel ?? ""]);
  checkHooks(spec.hooks);
  checkProcess(spec.process);
}
