import type { FileRoot } from "../kernel/files/contained-files.ts";
import { inParent } from "../kernel/files/make-missing.ts";
import { ROOT } from "../kernel/files/served-files.ts";
import { plainPath } from "../kernel/plain-path.ts";
import type { PlaceKernel } from "./make-place.ts";

/**
 * Removes a mount point: an empty file if `isFile`, otherwise a directory if it is empty. `seen` is set if containers see it or
 * the way to it: its file server removes it, or leaves it if a container holds it.
 */
export async function removePlace(
  { files, contained }: PlaceKernel,
  path: string,
  seen?: FileRoot,
  isFile = false,
): Promise<void> {
  try {
    if (seen !== undefined) {
      await contained.use(seen, (served) =>
        // Its next answer shows that it has closed the directory, which may be about to be unmounted.
        inParent(served, plainPath(path), (dir, name) => served.unlink(dir, name, !isFile)).finally(() =>
          served.statfs(ROOT),
        ),
      );
    } else if (isFile) files.removeTree(path);
    else files.removeDirectory(path);
  } catch {
    // It isn't empty, or wasn't created here.
  }
}
