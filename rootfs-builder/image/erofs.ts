import { run } from "../run.ts";
import { hasAttributes } from "../tree/attributes.ts";
import { stage } from "../tree/stage.ts";
import type { Tree } from "../tree/tree.ts";
import { placeLargeFiles, withoutLargeFiles } from "./erofs-large-files.ts";
import { needsLongInode, setErofsMetadata } from "./erofs-metadata.ts";

/** A larger cluster saves 3 % at most. */
const CLUSTER = 65_536;
/**
 * Number of inodes that may repeat an attribute before mkfs.erofs moves it to shared storage: so many that it never
 * does.
 */
const BESIDE_INODES = "2147483647";

export interface ErofsOptions {
  /** Compresses with LZ4, which all kernels with EROFS support. DAX can't map compressed files. */
  readonly compressed?: boolean;
  /**
   * The tree that the directory was staged from. Files get its owners, modes and attributes; without it, root owns
   * everything.
   */
  readonly owners?: Tree | undefined;
}

/**
 * Writes a tree as an EROFS that DAX can map, with large files in huge pages. `directory` is an empty staging
 * directory.
 */
export async function makeDaxErofs(tree: Tree, directory: string, image: string): Promise<void> {
  await stage(withoutLargeFiles(tree), directory);
  await makeErofs(directory, image, { owners: tree });
  await placeLargeFiles(image, tree);
}

/**
 * Writes a directory as an EROFS image, without root. Times are 0 and the UUID is fixed, so that equal directories give
 * equal bytes. By default nothing is compressed and no file's tail is packed beside its inode (`noinline_data`): DAX
 * maps only whole blocks, and otherwise the page cache would hold such data a second time.
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
  if (options.owners !== undefined) await setErofsMetadata(image, options.owners);
}
