import { pack } from "tar-stream";

/** What any entry may have; equal for all names of one file. */
interface Owned {
  /** 0, root, when left out. */
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** As an entry has it: root's things without attributes carry no such fields. */
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

/** Two paths that hold the same object are hard links of one file. */
export interface TreeFile extends Owned {
  readonly type: "file";
  readonly mode: number;
  readonly content: Buffer;
}

interface TreeSymlink extends Owned {
  readonly type: "symlink";
  /** As the guest will read it; nothing here follows it. */
  readonly target: string;
}

export type TreeEntry = TreeDirectory | TreeFile | TreeSymlink;

/** What will be the image: entries by path, without a leading slash. The root directory is not in it. */
export type Tree = Map<string, TreeEntry>;

/** Entries as a tar stream, in the order given: how files that are no package's come into a merge. */
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
