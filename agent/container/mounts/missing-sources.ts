import { closeSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { posix } from "node:path";
import { SystemError } from "../../kernel/error.ts";
import type { Sys } from "../../kernel/kernel.ts";
import { openPlain, plainPath } from "../../kernel/plain-path.ts";
import type { MountSpec } from "../spec.ts";
import { isBind } from "./mount-kind.ts";

/**
 * After a failed creation, creates a directory for each missing bind source if one was the cause, as hosts expect.
 * Resolves to true if a retry may succeed. Containers whose sources exist thus skip the check.
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
    if (!isBind(mount) || (await access(mount.source).then(() => true, mayExist))) continue;
    // On a read-only share this fails: the original error stands.
    if (await makeBelow(sys, plainPath(mount.source)).catch(() => false)) made = true;
  }
  return made;
}

/** Creates the directory below its last existing parent, following no symbolic links. */
async function makeBelow(sys: Pick<Sys, "openInside">, path: string): Promise<boolean> {
  const above = posix.dirname(path);
  if (above !== "/" && !(await access(above).then(() => true, mayExist)) && !(await makeBelow(sys, above)))
    return false;
  const fd = await openPlain(sys, above);
  try {
    await mkdir(`/proc/self/fd/${fd}/${posix.basename(path)}`, { mode: 0o755 });
    return true;
  } finally {
    closeSync(fd);
  }
}

/** A path that can't be checked counts as existing. */
function mayExist(error: NodeJS.ErrnoException): boolean {
  return error.code !== "ENOENT";
}
