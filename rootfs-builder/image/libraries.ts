import { posix } from "node:path";
import { BuildError } from "../build-error.ts";
import { neededLibraries } from "../debian/elf.ts";
import type { Tree } from "../tree/tree.ts";

/**
 * Returns the part of `available` (libraries of some packages) that the programs need to start: the libraries they
 * name, those that these need in turn, and the links on the way.
 * @param programs name for messages → ELF file
 */
export function neededPart(available: Tree, programs: ReadonlyMap<string, Buffer>): Tree {
  const byName = Map.groupBy(available.keys(), (path) => posix.basename(path));
  const part: Tree = new Map();
  const pending = [...programs].flatMap(([program, file]) => wants(program, file));
  for (let wanted = pending.shift(); wanted !== undefined; wanted = pending.shift()) {
    const paths = byName.get(wanted.library);
    if (paths === undefined)
      throw new BuildError(`${wanted.by} needs ${wanted.library}: no package of the image has it`);
    for (const path of paths) {
      const entry = available.get(path);
      if (entry === undefined || entry.type === "directory" || part.has(path)) continue;
      part.set(path, entry);
      if (entry.type === "file") pending.push(...wants(path, entry.content));
      else pending.push({ library: posix.basename(entry.target), by: path });
    }
  }
  return part;
}

function wants(program: string, file: Buffer): { readonly library: string; readonly by: string }[] {
  return neededLibraries(file, program).map((library) => ({ library, by: program }));
}
