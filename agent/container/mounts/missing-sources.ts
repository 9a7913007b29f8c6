import { closeSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { posix } from "node:path";
import { SystemError } from "../../kernel/error.ts";
import type { Sys } from "../../kernel/kernel.ts";
import { openPlain, plainPath } from "../../kernel/plain-path.ts";
import type { MountSpec } from "../spec.ts";
import { isBind } from "./mount-kind.ts";

/**
 * After a creation that failed: makes a directory of each bind source that isn't there, if one was the cause, as hosts
 * expect. True when it is worth another try. So a container whose sources are there pays for no look at them.
 */
export async function makeMissingSources(
  sys: Pick<Sys, "openInside">,
  mounts: readonly MountSpec[],
  error: unknown,
): Promise<boolean> {
  const cause = error instanceof SystemError ? error : (error as Error).cause;
  if (!(cause instanceof SystemError) || cause.code !== "ENOENT" || !cause.call.startsWith("bind")) return false;
  let made = false;
  for (const mount of mounts) {
    if (!isBind(mount) || (await access(mount.source).then(() => true, isThere))) continue;
    // On a share that is read-only it can't be made: the cause stands.
    if (await makeBelow(sys, plainPath(mount.source)).catch(() => false)) made = true;
  }
  return made;
}

/** Below the last directory that is there, and that no link leads to. */
async function makeBelow(sys: Pick<Sys, "openInside">, path: string): Promise<boolean> {
  const above = posix.dirname(path);
  if (above !== "/" && !(await access(above).then(() => true, isThere)) && !(await makeBelow(sys, above))) return false;
  const fd = await openPlain(sys, above);
  try {
    await mkdir(`/proc/self/fd/${fd}/${posix.basename(path)}`, { mode: 0o755 });
    return true;
  } finally {
    closeSync(fd);
  }
}

/** What can't be looked at is there. */
function isThere(error: NodeJS.ErrnoException): boolean {
  return error.code !== "ENOENT";
}
