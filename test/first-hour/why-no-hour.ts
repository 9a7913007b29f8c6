import { spawnSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { findProgram } from "../../host/machine/programs.ts";
import { isRoot } from "../../lib/is-root.ts";

const BYTES_NEEDED = 12e9;

/** Returns why this machine can't have another Debian in a folder of /var/tmp, or undefined. */
export function whyNoHour(): string | undefined {
  if (!isRoot()) return "needs root, for a file system root of its own; run it with sudo";
  if (findProgram("debootstrap") === undefined) return "debootstrap isn't installed; sudo apt-get install debootstrap";
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  if (status !== 0) return "this machine allows no mounts in a mount namespace";
  const { bavail, bsize } = statfsSync("/var/tmp");
  return bavail * bsize < BYTES_NEEDED ? "less than 12 GB are free in /var/tmp" : undefined;
}
