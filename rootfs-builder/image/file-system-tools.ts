import { posix } from "node:path";
import { BuildError } from "../build-error.ts";
import { type PackageGetter, packageTar } from "../debian/debian-package.ts";
import { mergeTars } from "../tree/merge.ts";
import type { Tree } from "../tree/tree.ts";

/** Program with which the agent creates an ext4, and the packages with the libraries it needs beyond Node's. */
export const FILE_SYSTEM_PACKAGES = ["e2fsprogs", "libblkid1", "libcom-err2", "libext2fs2", "libuuid1"];

const MKE2FS = "usr/sbin/mke2fs";
/** mke2fs chooses the file system by the name it is called by. */
const MKFS_EXT4 = "usr/sbin/mkfs.ext4";

export async function fileSystemTools(packageOf: PackageGetter): Promise<Tree> {
  const keep = (path: string) => (path === MKE2FS ? path : undefined);
  const tree = await mergeTars([packageTar(await packageOf("e2fsprogs"), keep)]);
  if (tree.get(MKE2FS)?.type !== "file") throw new BuildError(`package e2fsprogs: no file ${MKE2FS}`);
  return tree.set(MKFS_EXT4, { type: "symlink", target: posix.basename(MKE2FS) });
}
