import { BuildError } from "../build-error.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { type Compression, compress } from "./compress.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";
import { moduleList } from "./initramfs.ts";
import type { KernelModule } from "./modules.ts";

/** Entry that the kernel runs. It is the root's own init. */
const FIRST: CpioEntry = { path: "init", type: "symlink", mode: 0o777, content: Buffer.from("/sbin/init") };

export interface RootInitrdOptions {
  /** Defaults to `gzip`. */
  readonly compression?: Compression;
  /** Modules that init loads first, for a kernel that doesn't have them built in. */
  readonly modules?: readonly KernelModule[];
}

/**
 * Returns a whole root as a cpio, which a kernel boots without a disk: the sorted tree and /init. Equal trees give
 * equal bytes.
 */
export async function rootInitrd(tree: Tree, options: RootInitrdOptions = {}): Promise<Buffer> {
  const { compression = "gzip", modules = [] } = options;
  const paths = [...tree.keys()].sort();
  const odd = paths.find((path) => (tree.get(path)?.xattrs?.size ?? 0) > 0);
  if (odd !== undefined) {
    throw new BuildError(`initramfs: ${odd} has extended attributes, which a cpio can't hold: use a file system`);
  }
  const entries = paths.flatMap((path) => {
    const entry = tree.get(path);
    return entry === undefined ? [] : [cpioEntry(path, entry)];
  });
  const loaded = modules.length === 0 ? [] : moduleList(modules, "usr/lib/modules");
  return compress(cpioArchive([...entries, FIRST, ...loaded]), compression);
}

function cpioEntry(path: string, entry: TreeEntry): CpioEntry {
  const { uid, gid } = entry;
  switch (entry.type) {
    case "directory":
      return { path, type: "directory", mode: entry.mode, uid, gid };
    case "file":
      return { path, type: "file", mode: entry.mode, uid, gid, content: entry.content };
    case "symlink":
      return { path, type: "symlink", mode: 0o777, uid, gid, content: Buffer.from(entry.target) };
  }
}
