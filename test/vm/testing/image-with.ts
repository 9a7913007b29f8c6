import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot as root } from "../../../host/vm/paths.ts";
import { imageTree } from "../../../rootfs-builder/image/contents.ts";
import { makeDaxErofs } from "../../../rootfs-builder/image/erofs.ts";
import { plainInputs } from "../../../rootfs-builder/image/image-inputs.ts";
import { packagedNode } from "../../../rootfs-builder/image/stripped-node.ts";
import { writeDiskImage } from "../../../rootfs-builder/image/write-image.ts";

/**
 * Creates guest.img in `work` with these files as its agent; init runs the launcher.cjs among them. Returns its path.
 */
export async function imageWith(agentFiles: readonly string[], work: string): Promise<string> {
  const native = (file: string) => join(root, "build/native", file);
  const { tree } = await imageTree({
    version: "0",
    node: packagedNode(),
    init: native("init"),
    sysNode: native("sys.node"),
    seccompNode: native("seccomp.node"),
    pause: native("pause"),
    containerInit: native("container-init"),
    keepCore: native("keep-core"),
    agentFiles,
    debug: false,
    runtimes: [],
    ...plainInputs(),
  });
  await mkdir(join(work, "root"));
  await makeDaxErofs(tree, join(work, "root"), join(work, "root.erofs"));
  await writeDiskImage(join(work, "root.erofs"), join(work, "guest.img"));
  return join(work, "guest.img");
}
