import { chownSync } from "node:fs";
import type { Files } from "../../kernel/files.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { Spec } from "../spec.ts";

/** Lists the cgroup files whose owner may move processes and create cgroups below (since Linux 4.15). */
const DELEGATED = "/sys/kernel/cgroup/delegate";

/**
 * Gives the cgroup, but not its limits, to the process's user if the container has a new user namespace and a writable
 * cgroup mount, as the OCI spec requires. The user can then create cgroups in it.
 */
export function delegateCgroup(
  files: Files,
  directory: string,
  { process, mounts, linux }: Spec,
  chown: typeof chownSync = chownSync,
): void {
  const owner = hostId(linux.uidMappings ?? [], process.user.uid);
  const writable = mounts.some(({ type, options }) => /^cgroup2?$/.test(type) && !options.includes("ro"));
  if (owner === undefined || !writable || !files.exists(DELEGATED)) return;
  const names = files.readText(DELEGATED).split("\n").filter(Boolean);
  const paths = [directory, ...names.map((name) => `${directory}/${name}`)];
  for (const path of paths) if (files.exists(path)) chown(path, owner, 0);
}
