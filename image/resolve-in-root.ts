import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { ImageError } from "./image-error.ts";

/** As many as the kernel follows. */
export const MAX_LINKS = 40;
/** Directories in one another. */
export const MAX_DEPTH = 128;
/** Looked at for one path, the parts of links among them. */
export const MAX_STEPS = 1024;

/**
 * The path of a directory inside `root`, free of symbolic links below it. Links are followed as a process with that root
 * would: absolute ones and ".." never lead out. `missing` is called with the path of each directory that isn't there and
 * makes it, or throws. Nobody else may change the tree meanwhile. Throws ImageError.
 */
export function resolveDirectory(root: string, parts: readonly string[], missing: (path: string) => void): string {
  const queue = [...parts];
  const resolved: string[] = [];
  let links = 0;
  let steps = 0;
  for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
    if (++steps > MAX_STEPS) throw new ImageError(`/${parts.join("/")} leads over more than ${MAX_STEPS} names`);
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    if (resolved.length >= MAX_DEPTH)
      throw new ImageError(`/${parts.join("/")} is below more than ${MAX_DEPTH} others`);
    const path = [root, ...resolved, part].join("/");
    const found = lstat(path);
    if (found?.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new ImageError(`too many symbolic links in /${parts.join("/")}`);
      const target = readlinkSync(path);
      if (target.startsWith("/")) resolved.length = 0;
      queue.unshift(...target.split("/"));
      continue;
    }
    if (found === undefined) missing(path);
    else if (!found.isDirectory()) throw new ImageError(`/${[...resolved, part].join("/")} is not a directory`);
    resolved.push(part);
  }
  return [root, ...resolved].join("/");
}

/** Does not follow a link that the path ends with; undefined when there is nothing, also as it would be below a file or a link to itself. */
export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (["ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
