import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../../host/machine/programs.ts";
import { makeBusyboxRootfs } from "../scenarios/busybox-rootfs.ts";

/** A file of so many MiB that is an ext4 with `rootfs` of busybox in it, and in that a file `which` with the disk's name. */
export async function makeDiskImage(directory: string, name: string, mib = 16): Promise<string> {
  const tree = join(directory, `${name}.tree`);
  makeBusyboxRootfs(join(tree, "rootfs"));
  writeFileSync(join(tree, "rootfs", "which"), `${name}\n`);
  const image = join(directory, `${name}.img`);
  const options = ["-q", "-F", "-m", "0", "-E", "root_owner=0:0", "-d", tree];
  await promisify(execFile)(findProgram("mkfs.ext4") ?? "mkfs.ext4", [...options, image, `${mib}M`]);
  rmSync(tree, { recursive: true });
  return image;
}
