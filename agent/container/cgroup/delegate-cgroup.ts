import { chownSync } from "node:fs";
import type { Files } from "../../kernel/files.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { Spec } from "../spec.ts";

/** Files of a cgroup whose owner may move processes and make cgroups below; since Linux 4.15. */
const DELEGATED = "/sys/kernel/cgroup/delegate";

/**
 * Gives the cgroup, but not its limits, to the process's user in a new user namespace that has it mounted writable, as
 * the OCI spec says: the user can then make cgroups in there.
 */
export function delegateCgroup(files: Files, directory: string, { process, mounts, linux }: Spec): void {
  const owner = hostId(linux.uidMappings ?? [], process.user.uid);
  const writable = mounts.some(({ type, options }) => /^cgroup2?$/.test(type) && !options.includes("ro"));
  if (owner === undefined || !writable || !files.exists(DELEGATED)) return;
  const names = files.readText(DELEGATED).split("\n").filter(Boolean);
  const paths = [directory, ...names.map((name) => `${directory}/${name}`)];
  for (const path of paths) if (files.exists(path)) chownSync(path, owner, 0);
}
