import { posix } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { owned, type Tree, type TreeEntry } from "./tree.ts";

export interface TarSource {
  /** For messages: the package, the folder, the file. */
  readonly name: string;
  /** An uncompressed tar, in pieces of bytes. */
  readonly stream: AsyncIterable<unknown>;
  /**
   * Where an entry goes (a path without a leading slash), or undefined to leave it out. Without it all entries stay where
   * they are. The target of a hard link goes through it as well.
   */
  readonly place?: (path: string) => string | undefined;
}

/**
 * Reads tar streams in order into one tree; of two entries with the same path the last one stays. Entries that would land
 * outside, by `..` or through a symlink, are refused, and so is what an image has no use for (device nodes, fifos).
 */
export async function mergeTars(sources: Iterable<TarSource>): Promise<Tree> {
  const tree: Tree = new Map();
  for (const source of sources) await readInto(tree, source);
  return tree;
}

async function readInto(tree: Tree, { name, stream, place = (path) => path }: TarSource): Promise<void> {
  const reader = extract();
  const fed = pipeline(Readable.from(stream, { objectMode: false }), reader);
  fed.catch(() => {});
  try {
    for await (const entry of reader) {
      add(tree, name, entry.header, await buffer(Readable.from(entry, { objectMode: false })), place);
    }
    await fed;
  } catch (error) {
    throw error instanceof BuildError ? error : new BuildError(`${name}: not a whole tar stream: ${reason(error)}`);
  }
}

function add(tree: Tree, source: string, header: Header, content: Buffer, place: (path: string) => string | undefined) {
  const original = inside(source, header.name);
  const path = original === "" ? undefined : place(original);
  if (path === undefined) return;
  addParents(tree, source, path);
  const entry = entryOf(tree, source, path, header, content, place);
  const before = tree.get(path);
  if (entry.type === "directory" && before?.type === "symlink") {
    throw new BuildError(`${source}: directory ${path} is a symlink to ${before.target} already`);
  }
  if (entry.type !== "directory" && before?.type === "directory") {
    throw new BuildError(`${source}: ${entry.type} ${path} is a directory already`);
  }
  tree.set(path, entry);
}

/** The path without `.`, doubled and outer slashes; "" for the root. */
function inside(source: string, name: string): string {
  if (name.split("/").includes("..")) throw new BuildError(`${source}: entry ${name} climbs out with ..`);
  return posix.join("/", name).replace(/\/$/, "").slice(1);
}

/** Makes the directories above that no stream has brought, and refuses parents that are not directories. */
function addParents(tree: Tree, source: string, path: string): void {
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    const parent = path.slice(0, slash);
    const entry = tree.get(parent);
    if (entry === undefined) tree.set(parent, { type: "directory", mode: 0o755 });
    else if (entry.type !== "directory") {
      throw new BuildError(`${source}: entry ${path} goes through ${parent}, which is a ${entry.type}`);
    }
  }
}

function entryOf(
  tree: Tree,
  source: string,
  path: string,
  { type, mode, linkname, uid = 0, gid = 0 }: Header,
  content: Buffer,
  place: (path: string) => string | undefined,
): TreeEntry {
  const owner = owned({ uid, gid });
  switch (type) {
    case "directory":
      return { type, mode: mode & 0o7777, ...owner };
    case "file":
    case "contiguous-file":
      return { type: "file", mode: mode & 0o7777, content, ...owner };
    case "symlink":
      return { type, target: linkname, ...owner };
    case "link": {
      const target = place(inside(source, linkname));
      const linked = target === undefined ? undefined : tree.get(target);
      if (linked?.type === "file") return linked;
      throw new BuildError(`${source}: hard link ${path} is to ${linkname}, which is no file of the image`);
    }
    default:
      throw new BuildError(`${source}: ${path} is a ${type}: only files, directories and links go into an image`);
  }
}
