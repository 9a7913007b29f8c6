import { access, mkdir } from "node:fs/promises";
import { SystemError } from "../../kernel/error.ts";
import type { MountSpec } from "../spec.ts";
import { isBind } from "./mount-kind.ts";

/**
 * After a creation that failed: makes a directory of each bind source that isn't there, if one was the cause, as hosts
 * expect. True when it is worth another try. So a container whose sources are there pays for no look at them.
 */
export async function makeMissingSources(mounts: readonly MountSpec[], error: unknown): Promise<boolean> {
  const cause = error instanceof SystemError ? error : (error as Error).cause;
  if (!(cause instanceof SystemError) || cause.code !== "ENOENT" || !cause.call.startsWith("bind")) return false;
  let made = false;
  for (const mount of mounts) {
    if (!isBind(mount) || (await access(mount.source).then(() => true, isThere))) continue;
    // On a share that is read-only it can't be made: the cause stands.
    const making = mkdir(mount.source, { recursive: true, mode: 0o755 });
    if (await making.then(() => true).catch(() => false)) made = true;
  }
  return made;
}

/** What can't be looked at is there. */
function isThere(error: NodeJS.ErrnoException): boolean {
  return error.code !== "ENOENT";
}
