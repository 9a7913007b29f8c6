import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { DiskOptions } from "../image/disk-image.ts";
import { makeDaxErofs } from "../image/erofs.ts";
import { writeDiskImage } from "../image/write-image.ts";
import { withTemporary } from "../with-temporary.ts";
import { writeJson } from "../write-files.ts";
import type { BuildContext } from "./context.ts";
import { type RootTree, rootKey, rootTree } from "./root-tree.ts";
import type { Step } from "./step.ts";

export function imageStep(context: BuildContext): Step {
  const directory = join(context.to, "image");
  const image = join(directory, "guest.img");
  const contentsList = join(directory, "contents.json");
  return {
    name: "image",
    outputs: [image, contentsList],
    key: () => rootKey(context),
    async build() {
      const root = await rootTree(context);
      const size = await makeImage(root, image);
      await writeJson(contentsList, { size, components: root.components, packages: root.packages });
    },
  };
}

/** Writes a disk image with an EROFS of the root, by rename. Returns its size in bytes. */
export async function makeImage({ tree }: RootTree, image: string, options: DiskOptions = {}): Promise<number> {
  return withTemporary(join(image, ".."), async (work) => {
    await mkdir(join(work, "root"));
    await makeDaxErofs(tree, join(work, "root"), join(work, "root.erofs"));
    const size = await writeDiskImage(join(work, "root.erofs"), join(work, "disk.img"), options);
    await rename(join(work, "disk.img"), image);
    return size;
  });
}
