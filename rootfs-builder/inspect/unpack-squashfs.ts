import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../run.ts";
import { folderTree } from "../tree/folder-tree.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";

const OPTIONS = ["-quiet", "-no-progress", "-no-xattrs", "-dest", "root"];

/**
 * What is in a squashfs, by unsquashfs, which unpacks nothing of one with two entries of one name, or a name with a slash
 * (since 4.5.1; hostile.test.ts holds it to that).
 */
export function unpackedSquashfs(fileSystem: Buffer): Promise<Tree> {
  return withTemporary(tmpdir(), async (work) => {
    await writeFile(join(work, "image"), fileSystem);
    await run("unsquashfs", [...OPTIONS, "image"], { cwd: work });
    return folderTree(join(work, "root"), { modeOf: (mode) => mode });
  });
}
