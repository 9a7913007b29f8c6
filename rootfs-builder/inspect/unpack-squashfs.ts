import { chmod, lstat, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { run } from "../run.ts";
import { folderTree, inodeOf } from "../tree/folder-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";

const QUIET = ["-quiet", "-no-progress", "-no-xattrs"];
/** Reads a squashfs with unsquashfs, which since 4.5.1 refuses duplicate names and names with a slash. */
export function unpackedSquashfs(fileSystem: Buffer): Promise<Tree> {
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), fileSystem);
    await run("unsquashfs", [...QUIET, "-dest", "root", "image"], { cwd: work });
    const shut = await opened(join(work, "root"));
    return folderTree(join(work, "root"), { modeOf: (mode, _type, path) => shut.get(path) ?? mode });
  });
}

/** Makes everything below a directory readable for its owner, this process, and returns the original modes. */
async function opened(root: string): Promise<ReadonlyMap<string, number>> {
  const [modes, byInode] = [new Map<string, number>(), new Map<string, number>()];
  const open = async (path: string) => {
    const place = join(root, path);
    const found = await lstat(place);
    const [mode, needed] = [found.mode & 0o7777, found.isDirectory() ? 0o700 : 0o400];
    // The first name of a hard-linked file shows its original mode.
    const before = byInode.get(inodeOf(found)) ?? mode;
    if ((before & needed) !== needed && !found.isSymbolicLink()) {
      await chmod(place, mode | needed);
      modes.set(path, before);
      byInode.set(inodeOf(found), before);
    }
    if (!found.isDirectory()) return;
    for (const name of await readdir(place)) await open(join(path, name));
  };
  await open("");
  return modes;
}
