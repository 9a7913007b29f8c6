import { posix } from "node:path";
import { BuildError } from "../build-error.ts";
import { neededLibraries } from "../debian/elf.ts";
import type { Tree } from "../tree/tree.ts";

const ELF = 0x7f454c46;

/** Returns, for each library and the links on the way to it, the paths of the files that need it. */
export function linkedBy(tree: Tree): ReadonlyMap<string, readonly string[]> {
  const byName = Map.groupBy(tree.keys(), (path) => posix.basename(path));
  const users = new Map<string, Set<string>>();
  const note = (library: string, user: string): void => {
    for (const path of byName.get(library) ?? []) {
      const entry = tree.get(path);
      if (entry === undefined || entry.type === "directory" || users.get(path)?.has(user)) continue;
      users.set(path, (users.get(path) ?? new Set()).add(user));
      if (entry.type === "symlink") note(posix.basename(entry.target), user);
    }
  };
  for (const [path, entry] of tree) {
    if (entry.type !== "file" || entry.content.length < 64 || entry.content.readUInt32BE(0) !== ELF) continue;
    for (const library of neededOf(entry.content, path)) note(library, path);
  }
  return new Map(Array.from(users, ([path, set]) => [path, [...set].sort()]));
}

/** A recipe can contain programs for other machines: nothing here links with those. */
function neededOf(content: Buffer, path: string): readonly string[] {
  try {
    return neededLibraries(content, path);
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
}
