import { fchownSync } from "node:fs";
import type { Sys } from "../../kernel/kernel.ts";
import type { LaunchFds } from "../launch.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { LinuxSpec, ProcessSpec } from "../spec.ts";

/**
 * In a user namespace nobody can give stdio to the process's user, for the guest's root made it: the agent does so, by
 * the ids outside. Without maps (a namespace by path) it stays the guest's. On failure all of `fds` are closed.
 */
export function giveStdio(
  sys: Pick<Sys, "close">,
  fds: LaunchFds,
  { user }: ProcessSpec,
  { uidMappings = [], gidMappings = [] }: LinuxSpec,
): void {
  const uid = hostId(uidMappings, user.uid);
  const gid = hostId(gidMappings, user.gid);
  if (uid === undefined || gid === undefined) return;
  try {
    for (const [name, fd] of fds.child) {
      // A terminal stays with the group that its devpts has for it.
      if (name !== "report" && name !== "release") fchownSync(fd, uid, name === "terminal" ? -1 : gid);
    }
  } catch (error) {
    for (const fd of new Set([...fds.child.values(), ...Object.values(fds.own), fds.report])) sys.close(fd);
    throw error;
  }
}
