import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { CLONE_NEWNS } from "../../agent/kernel/constants.ts";
import { openSys } from "../../agent/kernel/sys/sys.ts";

const PATH = "/sys/fs/cgroup";
const CGROUP2_MAGIC = 0x63677270;

/**
 * Shows crun only cgroup v2, as it refuses a machine with v1 beside it: moves this thread and the programs it starts
 * into a mount namespace with only the unified hierarchy. Does nothing if v2 is already alone. Needs root.
 */
export function showOnlyCgroup2(): void {
  if (statfsSync(PATH).type === CGROUP2_MAGIC) return;
  openSys().unshare(CLONE_NEWNS);
  // Use programs: libuv's threads are still in the machine's namespace and would mount there.
  execFileSync("mount", ["--make-rprivate", "/"]);
  execFileSync("umount", ["--recursive", PATH]);
  execFileSync("mount", ["-t", "cgroup2", "cgroup2", PATH]);
}
