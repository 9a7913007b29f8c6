import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { CLONE_NEWNS } from "../../agent/kernel/constants.ts";
import { openSys } from "../../agent/kernel/sys/sys.ts";

const PATH = "/sys/fs/cgroup";
const CGROUP2_MAGIC = 0x63677270;

/**
 * crun refuses a machine with cgroup v1 beside v2: on such a one, gives this thread (and the programs that it starts) a
 * mount namespace of its own, where the unified hierarchy alone is mounted. Elsewhere does nothing. Needs root.
 */
export function showPlainCgroups(): void {
  if (statfsSync(PATH).type === CGROUP2_MAGIC) return;
  openSys().unshare(CLONE_NEWNS);
  // By programs: a mount by libuv's threads would be one of the machine, they have not left its namespace.
  execFileSync("mount", ["--make-rprivate", "/"]);
  execFileSync("umount", ["--recursive", PATH]);
  execFileSync("mount", ["-t", "cgroup2", "cgroup2", PATH]);
}
