import { posix } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { owned, type Tree, type TreeEntry } from "./tree.ts";

export interface TarSource {
  /** Name for messages: the package, folder or file. */
  readonly name: string;
  /** An uncompressed tar in chunks of bytes. */
  readonly stream: AsyncIterable<unknown>;
  /**
   * Returns the new path of an entry, without a leading slash, or undefined to leave it out. By default, entries keep
   * their path. Also maps the targets of hard links.
   */
  readonly place?: (path: string) => string | undefined;
}

/**
 * Merges tar streams in order into one tree; of two entries with the same path, the last one stays. Refuses entries
 * that would be outside, by `..` or through a symlink, and types that an image can't have (device nodes, fifos).
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
    throw error instanceof BuildError
      ? error
      : new BuildError(`${name}: incomplete or invalid tar stream: ${reason(error)}`);
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
    throw new BuildError(`${source}: directory ${path} is already a symlink to ${before.target}`);
  }
  if (entry.type !== "directory" && before?.type === "directory") {
    throw new BuildError(`${source}: ${entry.type} ${path} is already a directory`);
  }
  tree.set(path, entry);
}

/** Returns the path without `.`, doubled and outer slashes; "" for the root. */
function inside(source: string, name: string): string {
  if (name.split("/").includes("..")) throw new BuildError(`${source}: entry ${name} leads out of the image with ..`);
  return posix.join("/", name).replace(/\/$/, "").slice(1);
}

/** Creates missing parent directories, and refuses parents that are not directories. */
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
      throw new BuildError(`${source}: hard link ${path} points to ${linkname}, which is not a file in the image`);
    }
    default:
      throw new BuildError(`${source}: ${path} is a ${type}: only files, directories and links go into an image`);
  }
}
