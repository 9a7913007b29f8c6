import type { Files } from "../../kernel/files.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import { refuse } from "../refuse.ts";
import type { ProcessSpec } from "../spec.ts";

/** Returns true if this guest supports the label. */
export type HasLabel = (module: "apparmor" | "selinux", label: string) => boolean;

const PROFILES = "/sys/kernel/security/apparmor/profiles";
const OWN_LABEL = "/proc/self/attr/current";

/**
 * Finds the labels of this guest. AppArmor has the profiles that are loaded, which requires a mounted securityfs.
 * SELinux has labels once it has a policy: before, the kernel accepts and ignores any label, and a process's own is
 * "kernel".
 */
export function securityModules(files: Pick<Files, "exists" | "readText">): HasLabel {
  return (module, label) => {
    if (module === "selinux") return files.exists("/sys/fs/selinux") && files.readText(OWN_LABEL).includes(":");
    if (!files.exists(PROFILES)) return false;
    // One line for each profile: "name (enforce)".
    return (
      label === "unconfined" ||
      files
        .readText(PROFILES)
        .split("\n")
        .some((line) => line.startsWith(`${label} (`))
    );
  };
}

/** Throws if a label for mounts would have no effect. */
export function checkMountLabel(label: string, hasLabel: HasLabel): void {
  if (label !== "" && !hasLabel("selinux", label)) throw noSelinux(`linux.mountLabel "${label}"`);
}

/**
 * Adds the labels that the process gets at execve, written while /proc is the guest's. Kata hosts send the profile of
 * the host's AppArmor, which their agent ignores; a profile that this guest doesn't have is ignored too, with a line
 * from `processWarnings`. A SELinux label without SELinux is refused.
 */
export function compileLabels(plan: PlanBuilder, process: ProcessSpec, hasLabel: HasLabel): void {
  const { apparmorProfile: profile = "", selinuxLabel: label = "" } = guestLabels(process, hasLabel);
  if (profile !== "") {
    const path = "/proc/self/attr/apparmor/exec";
    plan.add("process.apparmorProfile", { op: "write", path, data: `exec ${profile}` });
  }
  if (label !== "") plan.add("process.selinuxLabel", { op: "write", path: "/proc/self/attr/exec", data: label });
}

/** Returns the process with the labels that it gets in this guest. */
export function guestLabels(process: ProcessSpec, hasLabel: HasLabel): ProcessSpec {
  const { apparmorProfile: profile = "", ...rest } = process;
  const { selinuxLabel: label = "" } = process;
  if (label !== "" && !hasLabel("selinux", label)) throw noSelinux(`process.selinuxLabel "${label}"`);
  return profile === "" || hasLabel("apparmor", profile) ? process : rest;
}

function noSelinux(field: string): Error {
  return refuse(field, "needs SELinux with a policy, which this guest doesn't have");
}
