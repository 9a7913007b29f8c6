import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "../../lib/is-root.ts";
import { lstat } from "../resolve-in-root.ts";

/** Creates a temporary directory that is removed with the scope. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "guestd-test-"));
  return { path, [Symbol.dispose]: () => remove(path) };
}

/** Restores write permission first: only root can remove files from a directory without it. */
function remove(path: string): void {
  if (!isRoot()) openDirectories(path);
  rmSync(path, { recursive: true, force: true });
}

function openDirectories(path: string): void {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) openDirectories(join(path, entry.name));
  }
}

/**
 * Describes everything below a directory: "dir/", "link -> target", or a file's content. Doesn't follow links. Leaves
 * out `except`, a path below the directory.
 */
export function treeOf(root: string, except?: string, below = ""): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    if (path === except) continue;
    const found = lstat(join(root, path));
    if (found?.isDirectory()) Object.assign(tree, { [`${path}/`]: "" }, treeOf(root, except, path));
    else if (found?.isSymbolicLink()) tree[path] = `-> ${readlinkSync(join(root, path))}`;
    else tree[path] = found?.isFile() ? readFileSync(join(root, path), "utf8") : "special";
  }
  return tree;
}
