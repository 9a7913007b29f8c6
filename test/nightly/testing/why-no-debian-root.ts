import { spawnSync } from "node:child_process";
import { findProgram } from "../../../host/vm/programs.ts";
import { isRoot } from "../../../lib/is-root.ts";

/** Returns why this machine can't have another Debian in a folder, or undefined. */
export function whyNoDebianRoot(): string | undefined {
  if (!isRoot()) return "needs root, for a file system root of its own; run it with sudo";
  if (findProgram("debootstrap") === undefined) return "debootstrap isn't installed; sudo apt-get install debootstrap";
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  return status === 0 ? undefined : "this machine allows no mounts in a mount namespace";
}
