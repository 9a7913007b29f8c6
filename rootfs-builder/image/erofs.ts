import { run } from "../run.ts";
import type { Tree } from "../tree/tree.ts";
import { setErofsOwners } from "./erofs-owners.ts";

/** A larger cluster is smaller by 3 % at most. */
const CLUSTER = 65_536;

export interface ErofsOptions {
  /** By LZ4, which all kernels with EROFS read; DAX can't map such files. */
  readonly compressed?: boolean;
  /** The tree that the folder was made of: files get its owners. All are root's if not given. */
  readonly owners?: Tree;
}

/**
 * Makes an EROFS image of a folder, as whoever runs this: times are 0 and the id is fixed, so that
 * equal folders give equal bytes. Nothing is compressed if not asked for, and no file's tail is packed beside its inode
 * (`noinline_data`): DAX maps whole blocks only, and the page cache would fill behind its back.
 */
export async function makeErofs(directory: string, image: string, options: ErofsOptions = {}): Promise<void> {
  const id = "67756573-7464-4000-8000-000000000000";
  const packing = options.compressed === true ? ["-zlz4hc,9", `-C${CLUSTER}`] : ["-E", "noinline_data"];
  const fixed = ["--quiet", ...packing, "-x", "-1", "-T", "0", "-U", id, "--all-root"];
  await run("mkfs.erofs", [...fixed, image, directory]);
  if (options.owners !== undefined) await setErofsOwners(image, options.owners);
}
