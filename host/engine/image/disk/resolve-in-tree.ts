import { ImageError } from "../../../../image/image-error.ts";
import { MAX_DEPTH, MAX_LINKS, MAX_STEPS } from "../../../../image/resolve-in-root.ts";
import type { DirectoryNode } from "./tree-node.ts";

/** Called for a directory that doesn't exist. Creates it and returns it, or throws. */
export type OnMissing = (parent: DirectoryNode, name: string, path: string) => DirectoryNode;

/**
 * Returns a directory with all those above it, the root first. Follows symbolic links like a process with that root, with
 * the limits of `resolveDirectory`. Throws ImageError.
 */
export function resolveInTree(
  root: DirectoryNode,
  parts: readonly string[],
  missing: OnMissing,
): readonly DirectoryNode[] {
  const whole = `/${parts.join("/")}`;
  const queue = [...parts];
  const names: string[] = [];
  const found: [DirectoryNode, ...DirectoryNode[]] = [root];
  let links = 0;
  let steps = 0;
  for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
    if (++steps > MAX_STEPS) throw new ImageError(`${whole} resolves through more than ${MAX_STEPS} names`);
    if (part === "" || part === ".") continue;
    if (part === "..") {
      names.pop();
      if (found.length > 1) found.pop();
      continue;
    }
    if (names.length >= MAX_DEPTH) throw new ImageError(`${whole} is more than ${MAX_DEPTH} directories deep`);
    const parent = found.at(-1) ?? root;
    const path = `/${[...names, part].join("/")}`;
    const next = parent.children.get(part) ?? missing(parent, part, path);
    if (next.kind === "symlink") {
      if (++links > MAX_LINKS) throw new ImageError(`too many symbolic links in ${whole}`);
      if (next.target.startsWith("/")) {
        names.length = 0;
        found.length = 1;
      }
      queue.unshift(...next.target.split("/"));
      continue;
    }
    if (next.kind !== "directory") throw new ImageError(`${path} is not a directory`);
    names.push(part);
    found.push(next);
  }
  return found;
}
