import type { PlanBuilder } from "../plan/plan-builder.ts";
import { refuse, refuseNul } from "../refuse.ts";
import type { LinuxSpec } from "../spec.ts";

/** Sysctls of the System V IPC namespace; fs/mqueue/ also belongs to the ipc namespace. */
const IPC = new Set(
  [
    ...["msgmax", "msgmnb", "msgmni", "msg_next_id"],
    ...["sem", "sem_next_id"],
    ...["shmall", "shmmax", "shmmni", "shm_next_id", "shm_rmid_forced"],
  ].map((name) => `kernel/${name}`),
);

/**
 * Writes the sysctls to the guest's /proc/sys, where a process sees those of its own namespaces. This comes early, before
 * the container's files could redirect a path and before anything is read-only.
 */
export function compileSysctls(plan: PlanBuilder, sysctl: Readonly<Record<string, string>>): void {
  for (const [name, data] of Object.entries(sysctl)) {
    plan.add("linux.sysctl", { op: "write", path: `/proc/sys/${sysctlPath(name)}`, data });
  }
}

/**
 * Refuses by name a sysctl that doesn't belong to a namespace of the container (net.* is the guest's and so the pod's).
 */
export function checkSysctls({ sysctl = {}, namespaces }: LinuxSpec): void {
  for (const [name, value] of Object.entries(sysctl)) {
    const field = `linux.sysctl "${name}"`;
    const path = sysctlPath(name);
    if (!/^[\w@:.,+-]+(\/[\w@:.,+-]+)+$/.test(path) || path.split("/").some((part) => /^\.\.?$/.test(part))) {
      throw refuse(field, "is not a name of /proc/sys");
    }
    refuseNul(field, [value]);
    const needed = namespaceOf(path);
    if (path === "kernel/hostname") throw refuse(field, 'is set by the field "hostname"');
    if (needed === undefined) throw refuse(field, "does not belong to a namespace");
    if (needed !== "network" && !namespaces.some(({ type }) => type === needed)) {
      throw refuse(field, `needs a namespace of its own: ${needed}`);
    }
  }
}

function namespaceOf(path: string): "ipc" | "network" | "uts" | undefined {
  if (IPC.has(path) || path.startsWith("fs/mqueue/")) return "ipc";
  if (path.startsWith("net/")) return "network";
  return path === "kernel/domainname" ? "uts" : undefined;
}

/**
 * Converts a name as sysctl(8) does: the first dot or slash is the separator, and the other one replaces it within a
 * name.
 */
function sysctlPath(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  if (separator !== ".") return name;
  return name.replace(/[./]/g, (character) => (character === "." ? "/" : "."));
}
