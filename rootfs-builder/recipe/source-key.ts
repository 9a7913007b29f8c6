import { lstat, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { digestOf, type FileDigests } from "../digest.ts";
import { listFolder } from "../list-folder.ts";
import { checkNameIn, inodeOf } from "../tree/folder-tree.ts";
import { plainMode } from "./add-source.ts";
import type { Source } from "./recipe.ts";
import { sourceError } from "./source-error.ts";

/** Digest of all that a source is; of packages, what the lock says decides and is not in it. */
export async function sourceKey(source: Source, digests: FileDigests): Promise<string> {
  const { path: _path, ...rest } = { path: "", ...source };
  try {
    return digestOf(JSON.stringify(rest), source.kind === "packages" ? "" : await contentKey(source.path, digests));
  } catch (error) {
    throw sourceError(source, error);
  }
}

async function contentKey(path: string, digests: FileDigests): Promise<string> {
  const found = await stat(path);
  if (found.isFile()) return digestOf(String(plainMode(found.mode)), await digests.file(path));
  if (!found.isDirectory()) throw new BuildError(`${path}: neither a file nor a folder`);
  const parts: string[] = [];
  const linked = new Map<string, string>();
  for (const below of await listFolder(path)) {
    const place = join(path, below);
    checkNameIn(below);
    const entry = await lstat(place);
    parts.push(below);
    if (entry.isSymbolicLink()) parts.push(`link ${await readlink(place)}`);
    else if (entry.isFile()) {
      const first = entry.nlink > 1 ? (linked.get(inodeOf(entry)) ?? below) : below;
      linked.set(inodeOf(entry), first);
      parts.push(first, `${plainMode(entry.mode)} ${await digests.file(place)}`);
    } else parts.push(entry.isDirectory() ? "directory" : "other");
  }
  return digestOf(...parts);
}
