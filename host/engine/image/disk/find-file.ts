import { MAX_LINKS } from "../../../../image/resolve-in-root.ts";
import { resolveInTree } from "./resolve-in-tree.ts";
import type { DirectoryNode, TreeNode } from "./tree-node.ts";

/** Returns a regular file of a tree, following links like a process with that root; undefined if it doesn't exist. */
export function findFile(
  root: DirectoryNode,
  parts: readonly string[],
): Extract<TreeNode, { kind: "file" }> | undefined {
  let path = parts;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const parent = directoryAt(root, path.slice(0, -1));
    const found = parent?.children.get(path.at(-1) ?? "");
    if (found?.kind === "file") return found;
    if (found?.kind !== "symlink") return undefined;
    const target = found.target.split("/");
    path = found.target.startsWith("/") ? target : [...path.slice(0, -1), ...target];
  }
  return undefined;
}

function directoryAt(root: DirectoryNode, parts: readonly string[]): DirectoryNode | undefined {
  try {
    return resolveInTree(root, parts, () => {
      throw new Error("missing");
    }).at(-1);
  } catch {
    return undefined;
  }
}
