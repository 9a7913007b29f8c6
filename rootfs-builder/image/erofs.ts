import { run } from "../run.ts";
import { hasAttributes } from "../tree/attributes.ts";
import { stage } from "../tree/stage.ts";
import type { Tree } from "../tree/tree.ts";
import { placeLargeFiles, withoutLargeFiles } from "./erofs-large-files.ts";
import { needsLongInode, settleErofs } from "./settle-erofs.ts";

/** A larger cluster is smaller by 3 % at most. */
const CLUSTER = 65_536;
/** As many as may have an attribute of the same value before it goes to a place that they share: none. */
const BESIDE_INODES = "2147483647";

export interface ErofsOptions {
  /** By LZ4, which all kernels with EROFS read; DAX can't map such files. */
  readonly compressed?: boolean;
  /** The tree that the folder was made of: files get its owners, modes and attributes. All are root's if not given. */
  readonly owners?: Tree;
}

/** Makes an EROFS of a tree that DAX can map, and its large files in huge pages. `directory` is where it is staged: an empty folder. */
export async function makeDaxErofs(tree: Tree, directory: string, image: string): Promise<void> {
  await stage(withoutLargeFiles(tree), directory);
  await makeErofs(directory, image, { owners: tree });
  await placeLargeFiles(image, tree);
}

/**
 * Makes an EROFS image of a folder, as whoever runs this: times are 0 and the id is fixed, so that
 * equal folders give equal bytes. Nothing is compressed if not asked for, and no file's tail is packed beside its inode
 * (`noinline_data`): DAX maps whole blocks only, and the page cache would fill behind its back.
 */
export async function makeErofs(directory: string, image: string, options: ErofsOptions = {}): Promise<void> {
  const id = "67756573-7464-4000-8000-000000000000";
  const attributes = options.owners !== undefined && hasAttributes(options.owners) ? BESIDE_INODES : "-1";
  const long = [...(options.owners ?? new Map()).values()].some(needsLongInode) ? ["force-inode-extended"] : [];
  const extended = [...(options.compressed === true ? [] : ["noinline_data"]), ...long];
  const packing = options.compressed === true ? ["-zlz4hc,9", `-C${CLUSTER}`] : [];
  if (extended.length > 0) packing.push(`-E${extended.join(",")}`);
  const fixed = ["--quiet", ...packing, "-x", attributes, "-T", "0", "-U", id, "--all-root"];
  await run("mkfs.erofs", [...fixed, image, directory]);
  if (options.owners !== undefined) await settleErofs(image, options.owners);
}
