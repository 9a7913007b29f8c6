import { lstat, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { digestOf, type FileDigests } from "../digest.ts";
import { listFolder } from "../list-folder.ts";
import { fileAttributes, folderAttributes } from "../tree/folder-attributes.ts";
import { checkNameIn, inodeOf } from "../tree/folder-tree.ts";
import { plainMode } from "./add-source.ts";
import type { Source } from "./recipe.ts";
import { sourceError } from "./source-error.ts";

/** Returns a source's digest. For packages, it covers what the lock determines but doesn't contain. */
export async function sourceKey(source: Source, digests: FileDigests): Promise<string> {
  const { path: _path, ...rest } = { path: "", ...source };
  try {
    const content = source.kind === "packages" ? "" : await contentKey(source.path, digests);
    return digestOf(JSON.stringify(rest), content, JSON.stringify(await attributesOf(source)));
  } catch (error) {
    throw sourceError(source, error);
  }
}

/** Returns the attributes read from this machine's files: each path with names and values. */
async function attributesOf(source: Source): Promise<unknown> {
  const listed = (attributes: ReadonlyMap<string, Uint8Array>) =>
    [...attributes].map(([name, value]) => [name, Buffer.from(value).toString("base64")]).sort();
  if (source.kind === "file") return listed(await fileAttributes(source.path));
  if (source.kind !== "folder") return [];
  const all = [...(await folderAttributes(source.path))];
  return all.map(([path, attributes]) => [path, listed(attributes)]).sort();
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
