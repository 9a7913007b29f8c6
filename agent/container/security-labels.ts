import type { Files } from "../kernel/files.ts";
import type { PlanBuilder } from "./plan-builder.ts";
import { refuse } from "./refuse.ts";
import type { ProcessSpec } from "./spec.ts";

export type SecurityModule = "apparmor" | "selinux";
export type HasModule = (module: SecurityModule) => boolean;

/** Is the module at work in this kernel? */
export function securityModules(files: Pick<Files, "exists" | "readText">): HasModule {
  return (module) =>
    module === "selinux"
      ? files.exists("/sys/fs/selinux")
      : files.exists("/sys/module/apparmor/parameters/enabled") &&
        files.readText("/sys/module/apparmor/parameters/enabled").startsWith("Y");
}

/** Refuses a label for mounts where it would do nothing. */
export function checkMountLabel(label: string, hasModule: HasModule): void {
  if (label !== "" && !hasModule("selinux")) throw noSelinux(`linux.mountLabel "${label}"`);
}

/**
 * What the process becomes at execve; written while /proc is the guest's. Kata hosts send the profile of the host's
 * AppArmor, which their agent has not: without the module it is left out (and `processWarnings` says so). A label for
 * SELinux without SELinux is refused.
 */
export function compileLabels(plan: PlanBuilder, process: ProcessSpec, hasModule: HasModule): void {
  const { apparmorProfile: profile = "", selinuxLabel: label = "" } = process;
  if (profile !== "" && hasModule("apparmor")) {
    const path = "/proc/self/attr/apparmor/exec";
    plan.add("process.apparmorProfile", { op: "write", path, data: `exec ${profile}` });
  }
  if (label === "") return;
  if (!hasModule("selinux")) throw noSelinux(`process.selinuxLabel "${label}"`);
  plan.add("process.selinuxLabel", { op: "write", path: "/proc/self/attr/exec", data: label });
}

function noSelinux(field: string): Error {
  return refuse(field, "needs SELinux, which is not enabled in this guest");
}
