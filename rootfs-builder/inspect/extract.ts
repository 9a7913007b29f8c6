import { chmod, lstat, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../run.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { withExt4Modes } from "./ext4-modes.ts";

export type Extractable = "erofs" | "ext4" | "squashfs";

/** Unpacks `image` into `target`, which is there and empty, as whoever runs this. */
const COMMANDS: Readonly<Record<Extractable, (image: string, target: string) => [string, ...string[]]>> = {
  erofs: (image, target) => ["fsck.erofs", "--preserve-perms", "--no-preserve-owner", `--extract=${target}`, image],
  ext4: (image, target) => ["debugfs", "-R", `rdump / ${target}`, image],
  squashfs: (image, target) => ["unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-force", "-dest", target, image],
};

/** What is in a file system that is not read here, by its own tools. */
export async function extractTree(fileSystem: Buffer, type: Extractable): Promise<Tree> {
  return withTemporary(tmpdir(), async (work) => {
    const [image, target] = [join(work, "image"), join(work, "root")];
    await writeFile(image, fileSystem);
    await mkdir(target);
    const [command, ...args] = COMMANDS[type](image, target);
    await run(command, args);
    const found = await treeOf(target);
    const tree = type === "ext4" ? await withExt4Modes(found, image, join(work, "commands")) : found;
    // A folder that its owner can't write to would stay behind.
    for (const [path, entry] of found) if (entry.type === "directory") await chmod(join(target, path), 0o700);
    return tree;
  });
}

async function treeOf(directory: string): Promise<Tree> {
  const tree: Tree = new Map();
  // With types, readdir follows no link.
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const full of entries.map((entry) => join(entry.parentPath, entry.name)).sort()) {
    const path = full.slice(directory.length + 1);
    const status = await lstat(full);
    const mode = status.mode & 0o7777;
    if (status.isDirectory()) tree.set(path, { type: "directory", mode });
    else if (status.isSymbolicLink()) tree.set(path, { type: "symlink", target: await readlink(full) });
    else if (status.isFile()) tree.set(path, { type: "file", mode, content: await readFile(full) });
  }
  return tree;
}
