import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lstat } from "../resolve-in-root.ts";

/** A temporary directory that goes with the scope. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "guestd-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** What is below a directory: "dir/", "link -> target", or a file's content; links are not followed. */
export function treeOf(root: string, below = ""): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    const found = lstat(join(root, path));
    if (found?.isDirectory()) Object.assign(tree, { [`${path}/`]: "" }, treeOf(root, path));
    else if (found?.isSymbolicLink()) tree[path] = `-> ${readlinkSync(join(root, path))}`;
    else tree[path] = found?.isFile() ? readFileSync(join(root, path), "utf8") : "special";
  }
  return tree;
}
