import { chmod, lstat, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { MAX_PATH, MAX_TARGET } from "../tree/check-entry.ts";
import { folderTree, inodeOf } from "../tree/folder-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { MAX_ENTRIES, MAX_PATHS, MOST_BYTES, PATIENCE } from "./bounds.ts";

const QUIET = ["-quiet", "-no-progress", "-no-xattrs"];
/** Of a line: a path, a target, and what stands before them. */
const MAX_LINE = MAX_PATH + MAX_TARGET + 256;
const FILE = /^-[rwxstST-]{9} \d+\/\d+ +(\d+) /;

/**
 * What is in a squashfs, by unsquashfs, which unpacks nothing of one with two entries of one name, or a name with a slash
 * (since 4.5.1; hostile.test.ts holds it to that). It lists first what that would be: a small image may hold more than there is
 * room for.
 */
export function unpackedSquashfs(fileSystem: Buffer): Promise<Tree> {
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), fileSystem);
    await run("unsquashfs", [...QUIET, "-lln", "image"], { cwd: work, timeout: PATIENCE.timeout, watch: bounds() });
    await run("unsquashfs", [...QUIET, "-dest", "root", "image"], { ...PATIENCE, cwd: work });
    const shut = await opened(join(work, "root"));
    return folderTree(join(work, "root"), { modeOf: (mode, _type, path) => shut.get(path) ?? mode });
  });
}

/** Makes all below a folder readable for its owner, who is us; gives the modes that were not. */
async function opened(root: string): Promise<ReadonlyMap<string, number>> {
  const [modes, byInode] = [new Map<string, number>(), new Map<string, number>()];
  const open = async (path: string) => {
    const place = join(root, path);
    const found = await lstat(place);
    const [mode, needed] = [found.mode & 0o7777, found.isDirectory() ? 0o700 : 0o400];
    // Of a file that has several names the first shows its mode.
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

/** Looks at the list, piece by piece. A line end in a name or in a target makes more lines, never less. */
function bounds(): (piece: Buffer) => void {
  let [rest, entries, total, length] = ["", 0, 0, 0];
  return (piece) => {
    length += piece.length;
    const lines = (rest + piece.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    entries += lines.length;
    for (const line of lines) total += Number(FILE.exec(line)?.[1] ?? 0);
    if ([...lines, rest].some((line) => line.length > MAX_LINE)) throw new BuildError("squashfs: a path is too long");
    if (entries > MAX_ENTRIES || length > 3 * MAX_PATHS)
      throw new BuildError(`squashfs: more than ${MAX_ENTRIES} entries, or names of more than ${MAX_PATHS} bytes`);
    if (total > MOST_BYTES) throw new BuildError("squashfs: its files have more than 2 GiB");
  };
}
