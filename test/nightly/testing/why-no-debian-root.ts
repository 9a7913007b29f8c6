import { spawnSync } from "node:child_process";
import { findProgram } from "../../../host/machine/programs.ts";
import { isRoot } from "../../../lib/is-root.ts";

/** Returns why this machine can't have another Debian in a folder, for the name of a test, or an empty text. */
export function whyNoDebianRoot(): string {
  if (!isRoot()) return " (skipped: needs root, for a file system root of its own)";
  if (findProgram("debootstrap") === undefined) return " (skipped: debootstrap isn't installed)";
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  return status === 0 ? "" : " (skipped: this machine allows no mounts in a mount namespace)";
}
