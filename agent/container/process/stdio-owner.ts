import { fchownSync } from "node:fs";
import type { Sys } from "../../kernel/kernel.ts";
import type { LaunchFds } from "../launch.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { LinuxSpec, ProcessSpec } from "../spec.ts";

/**
 * Gives stdio to the process's user by the ids outside its user namespace, from where it can't be changed, because the
 * guest's root owns it. Without maps (a namespace by path) the owner stays. Closes all of `fds` on failure.
 */
export function chownStdio(
  sys: Pick<Sys, "close">,
  fds: LaunchFds,
  { user }: ProcessSpec,
  { uidMappings = [], gidMappings = [] }: LinuxSpec,
  chown: typeof fchownSync = fchownSync,
): void {
  const uid = hostId(uidMappings, user.uid);
  const gid = hostId(gidMappings, user.gid);
  if (uid === undefined || gid === undefined) return;
  try {
    for (const [name, fd] of fds.child) {
      // A terminal keeps the group set by its devpts.
      if (name !== "report" && name !== "release") chown(fd, uid, name === "terminal" ? -1 : gid);
    }
  } catch (error) {
    for (const fd of new Set([...fds.child.values(), ...Object.values(fds.own), fds.report])) sys.close(fd);
    throw error;
  }
}
