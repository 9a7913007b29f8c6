import { SystemError } from "../../kernel/error.ts";
import { type ContainedFiles, guestRoot, type Served } from "../../kernel/files/contained-files.ts";
import { makeMissing } from "../../kernel/files/make-missing.ts";
import { plainPath } from "../../kernel/plain-path.ts";
import type { MountSpec } from "../spec.ts";
import { isBind } from "./mount-kind.ts";

/**
 * After a failed creation, creates a directory for each missing bind source if one was the cause, as hosts expect.
 * Resolves to true if a retry may succeed. Containers whose sources exist thus skip the check. Other containers may hold
 * the directories of a volume: a file server of the container `id` makes the calls.
 */
export async function makeMissingSources(
  contained: ContainedFiles,
  { id, mounts }: { readonly id: string; readonly mounts: readonly MountSpec[] },
  error: unknown,
  signal?: AbortSignal,
): Promise<boolean> {
  const cause = error instanceof SystemError ? error : (error as Error).cause;
  if (!(cause instanceof SystemError) || cause.code !== "ENOENT" || !cause.call.startsWith("bind")) return false;
  const makeAll = async (files: Served) => {
    let made = false;
    // On a read-only share this fails: the original error stands.
    for (const { source } of mounts.filter(isBind))
      if (await makeMissing(files, plainPath(source)).catch(() => false)) made = true;
    return made;
  };
  return await contained.use(guestRoot(id), makeAll, signal);
}
