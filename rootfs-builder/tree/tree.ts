import { pack } from "tar-stream";

/** Owner and attributes of an entry; equal for all names of one file. */
interface Owned {
  /** Defaults to 0, root. */
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** Returns only the fields that differ from root's without attributes. */
export function owned({ uid = 0, gid = 0, xattrs }: { readonly [K in keyof Owned]: Owned[K] | undefined }): Owned {
  return {
    ...(uid === 0 ? {} : { uid }),
    ...(gid === 0 ? {} : { gid }),
    ...(xattrs === undefined || xattrs.size === 0 ? {} : { xattrs }),
  };
}

interface TreeDirectory extends Owned {
  readonly type: "directory";
  /** Permission bits, 0o7777 at most. */
  readonly mode: number;
}

/** A file. Two paths with the same object are hard links. */
export interface TreeFile extends Owned {
  readonly type: "file";
  readonly mode: number;
  readonly content: Buffer;
}

interface TreeSymlink extends Owned {
  readonly type: "symlink";
  /** Target as the guest reads it; the builder doesn't follow it. */
  readonly target: string;
}

export type TreeEntry = TreeDirectory | TreeFile | TreeSymlink;

/** Contents of an image: entries by path, without a leading slash. Doesn't include the root directory. */
export type Tree = Map<string, TreeEntry>;

/** Returns entries as a tar stream in the given order, to merge files that aren't from a package. */
export function tarOf(entries: Iterable<readonly [path: string, entry: TreeEntry]>): AsyncIterable<unknown> {
  const tar = pack();
  for (const [name, entry] of entries) {
    if (entry.type === "file") tar.entry({ name, mode: entry.mode, size: entry.content.length }, entry.content);
    else if (entry.type === "directory") tar.entry({ name, mode: entry.mode, type: "directory" });
    else tar.entry({ name, type: "symlink", linkname: entry.target });
  }
  tar.finalize();
  return tar;
}
