import { O_DIRECTORY, O_NOFOLLOW, RESOLVE_BENEATH, RESOLVE_NO_XDEV } from "../constants.ts";
import { AgentError, SystemError } from "../error.ts";
import type { Kernel } from "../kernel.ts";
import type { FileRoot } from "./contained-files.ts";
import { inParent } from "./make-missing.ts";

/** Entries that one call removes: many for a round trip, few for the time that a call may take. */
const STEP = 256;
/** Limit for one directory, ms: a container with a descriptor of it may create files as fast as they are removed. */
const LIMIT_MS = 600_000;

/**
 * Removes a directory of the guest and everything that a container left in it: a million files, or directories deeper than
 * any path. Fails at one that another container holds. Its parent must be out of containers' reach. Accepts that it does
 * not exist.
 */
export async function removeContained(
  { files, contained }: Pick<Kernel, "files" | "contained">,
  root: FileRoot,
  path: string,
  limitMs = LIMIT_MS,
): Promise<void> {
  if (!files.exists(path)) return;
  const end = performance.now() + limitMs;
  try {
    await contained.use(root, (served) =>
      inParent(served, path, async (parent, name) => {
        const opening = served.open(parent, name, O_DIRECTORY | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
        await served.using(opening, async (directory) => {
          while ((await served.empty(directory, STEP)) > 0) {
            if (performance.now() < end) continue;
            throw new AgentError("unavailable", `remove ${path}: other containers still write to it`);
          }
        });
        await served.unlink(parent, name, true);
      }),
    );
  } catch (error) {
    throw error instanceof SystemError ? new SystemError("remove", error.errno, path) : error;
  }
}
