import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { ImageError } from "./image-error.ts";

/** The kernel's limit for symbolic links in one path. */
export const MAX_LINKS = 40;
/** Limit for nested directories. */
export const MAX_DEPTH = 128;
/** Limit for names looked up in one path, including those in links. */
export const MAX_STEPS = 1024;

/**
 * Returns the path of a directory inside `root`, with all symbolic links below the root resolved. Follows links like a
 * process with that root: absolute targets and ".." never lead out. Calls `missing` with the path of each directory
 * that doesn't exist; it creates the directory or throws. No other process may change the tree meanwhile. Throws
 * ImageError.
 */
export function resolveDirectory(root: string, parts: readonly string[], missing: (path: string) => void): string {
  const queue = [...parts];
  const resolved: string[] = [];
  let links = 0;
  let steps = 0;
  for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
    if (++steps > MAX_STEPS) throw new ImageError(`/${parts.join("/")} resolves through more than ${MAX_STEPS} names`);
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    if (resolved.length >= MAX_DEPTH)
      throw new ImageError(`/${parts.join("/")} is more than ${MAX_DEPTH} directories deep`);
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

/**
 * Doesn't follow a link at the end of the path. Returns undefined if nothing exists there, even below a file or a
 * circular link.
 */
export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (["ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
