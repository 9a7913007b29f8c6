import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tellBytes } from "../progress.ts";
import { writeAttributes } from "./attributes.ts";
import type { Tree, TreeEntry, TreeFile } from "./tree.ts";

/**
 * Writes a tree into `directory`, which has to be new and empty, in sorted order, as the current user. Keeps modes
 * regardless of the umask, but adds read permission for the owner; keeps extended attributes or their placeholders, but
 * not owners. `directory` itself gets mode 0755.
 */
export async function stage(tree: Tree, directory: string): Promise<void> {
  const written = new Map<TreeFile, string>();
  const paths = [...tree.keys()].sort();
  const files = new Set([...tree.values()].filter((entry) => entry.type === "file"));
  const total = [...files].reduce((sum, { content }) => sum + content.length, 0);
  let done = 0;
  for (const path of paths) {
    const entry = tree.get(path);
    const target = join(directory, path);
    if (entry?.type === "directory") await mkdir(target, { mode: 0o700 });
    else if (entry?.type === "symlink") await symlink(entry.target, target);
    else if (entry?.type === "file") {
      const first = written.get(entry);
      if (first !== undefined) {
        await link(first, target);
        continue;
      }
      await writeFile(target, entry.content, { flag: "wx", mode: 0o600 });
      done += entry.content.length;
      tellBytes(done, total);
      written.set(entry, target);
    }
  }
  await writeAttributes(tree, directory);
  // Last, from the inside out: its mode can forbid even the owner to write.
  for (const path of paths.toReversed()) {
    const entry = tree.get(path);
    if (entry !== undefined && entry.type !== "symlink") await chmod(join(directory, path), stagedMode(entry));
  }
  await chmod(directory, 0o755);
}

/** Adds the permissions with which the tool that makes the file system can read the entry as any user. */
export function stagedMode({ type, mode }: Pick<Exclude<TreeEntry, { type: "symlink" }>, "type" | "mode">): number {
  return mode | (type === "directory" ? 0o500 : 0o400);
}
