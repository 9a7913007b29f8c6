import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../../../host/vm/programs.ts";
import { thisPlatform } from "../../../image/platform.ts";
import { layoutEntries, packTar } from "../../../image/write-layout.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";

/**
 * Creates a file of `mib` MiB with an ext4 that holds a busybox `rootfs`, and in it a file `which` with the disk's
 * name. With `layout` it also holds an OCI layout whose image `name` is busybox with a file `image`. Returns its path.
 */
export async function makeDiskImage(directory: string, name: string, mib = 16, layout = false): Promise<string> {
  const tree = join(directory, `${name}.tree`);
  makeBusyboxRootfs(join(tree, "rootfs"));
  writeFileSync(join(tree, "rootfs", "which"), `${name}\n`);
  if (layout) await addLayout(tree, name);
  const image = join(directory, `${name}.img`);
  const options = ["-q", "-F", "-m", "0", "-E", "root_owner=0:0", "-d", tree];
  await promisify(execFile)(findProgram("mkfs.ext4") ?? "mkfs.ext4", [...options, image, `${mib}M`]);
  rmSync(tree, { recursive: true });
  return image;
}

async function addLayout(tree: string, name: string): Promise<void> {
  const busybox = readFileSync(join(tree, "rootfs/bin/busybox"));
  const layer = await packTar([
    { name: "bin/busybox", content: busybox, mode: 0o755 },
    { name: "bin/cat", type: "symlink", linkname: "busybox" },
    { name: "image", content: `image of ${name}\n`, mode: 0o644 },
  ]);
  for (const file of layoutEntries({ name, platform: thisPlatform(), config: {}, layers: [layer] })) {
    const path = join(tree, "layout", file.name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content ?? "");
  }
}
